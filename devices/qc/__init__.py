"""Quality control: is a value to be believed? QARTOD tests, streaming, one file a test, and the judge that joins them.

    judge.py         one line of a device → flags now, revisions of earlier readings, possible events      (start here)
    series.py        the slow way of one value: all its tests
    confirmation.py  when a suspect value turns out to be real (semantics D2)
    limits.py        what step is usual, learnt per series (semantics D1)
    model.py         what a device type or a station may say (`quality:`)        defaults.yaml   what holds without it
    settings.py      what was said, compiled: plan.py        devices.py   for a registered device at its station

The tests themselves: spike, rate, flat_line, climatology, attenuated, density, multivariate, neighbour, consistency, timing,
location, warm_up, health. Gross range is `devices.quality.Spans`. Their verdicts are those of `ioos_qc` 3.0.0 with the same
settings; where they differ on purpose the file says so and a test is named after it.
"""
