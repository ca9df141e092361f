"""What the numbers mean: air and water quality indices, the means they are made of, and the limits of the law.

air.py        hourly_air, daily_air: VN_AQI and US AQI of one station        water.py     water: VN_WQI of one sample
derived.py    the ids of means, NowCasts and indices: one table for all      limits.py    the value that the law or WHO allows, dated
nowcast.py    NowCast, Vietnamese and US                                     averages.py  means with 75 % of their hours
curves.py     from a concentration to a sub-index                            rounding.py  half up and truncation, as in decimals
tables.py, water_table.py, limit_tables.py   what the dated files say          reasons.py   why there is no index, and what to know of one
result.py     what an index is, when it is computed

Pure: no clock, no I/O. The files are read by `devices.loader`, once. Nothing here is imported by importing the package.
"""
