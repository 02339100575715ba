"""Settings: base is shared; dev, prod and test say what differs."""
