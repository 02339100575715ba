"""Finding who fits whom: encoders, the two legs, fusion, ranking."""
