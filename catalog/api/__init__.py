"""The two lists for programs: the services, gates and tiers of the pages under /api/v1/."""
