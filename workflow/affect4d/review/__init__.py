"""A person's eye on the candidates of a database: the page, the sheet, reviewers' agreement."""
