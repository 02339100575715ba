"""The API of reviews, of one's own matches and of the operators' queue: the pages' own services."""
