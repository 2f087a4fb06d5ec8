"""What each artifact of a build is: its name, its columns or arrays, and the values they take."""
