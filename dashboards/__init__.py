"""Grafana as code: dashboards built from the parameter catalogue, the index tables and the limits.

    envgw dashboards build      writes dashboards/json/*.json (also `python -m dashboards`, `make dashboards`)
    envgw dashboards push       uploads them (`push`)

`influxql` says how a question is asked, `words` what all say in Vietnamese and English, `scales` colours and limits, `panels` the kinds
of panels, `board` what all dashboards have in common, `shared` panels that several have; and each dashboard is a module of its own
(`city_now` …). `lint` is what each must keep to, `generate` writes them. Only what Grafana 9.4 and 12 both understand is used.
"""
