"""The zoo in one package per framework; the same job has the same file name in each."""
