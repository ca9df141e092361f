"""Series files: archives of real measurements (CSV, Parquet, USGS JSON), read through a map."""
