"""Pages of people, organizations, technology managers, operators, and help."""
