"""Pictures that several packages draw: shaded faces, sheets of pictures, bars."""
