"""What KeQiao measures about itself, one subject a file: `make bench-NAME`."""
