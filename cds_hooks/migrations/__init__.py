"""The steps from each layout of the database to the next, run by Alembic (`icans-cds db upgrade`)."""
