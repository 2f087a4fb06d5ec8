"""Pictures that several packages draw: shaded faces, contact sheets."""
