"""hanjul: all the background work of an application, in one line, on the PostgreSQL it already has."""
