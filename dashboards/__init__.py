"""Grafana as code: dashboards built from the parameter catalogue.

    python -m dashboards        writes dashboards/json/*.json (`make dashboards`)

`influxql` says how a question is asked, `words` holds every text in Vietnamese and English, `panels` the kinds of panels, and
each dashboard is a module of its own (`city_now`). Only what Grafana 9.4 and 12 both understand is used.
"""
