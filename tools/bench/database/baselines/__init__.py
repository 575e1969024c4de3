"""What the database is compared with: a bare application, bare SQLite, bare PostgreSQL."""
