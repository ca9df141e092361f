"""*City now* on a day of the demo: the map knows places, wards choose stations, broken sensors are not shown."""

from __future__ import annotations

import re

from dashboards import city_now
from tests.dashboards.asking import BOARDS, escaped, filled, query_of
from tests.tools.history_servers import Influxd


def test_its_json_is_what_the_code_makes() -> None:
    assert city_now.build("en")["uid"] == BOARDS["city-now.en.json"]["uid"]


def test_stations_are_those_of_the_ward_and_the_medium(database: tuple[Influxd, str]) -> None:
    server, name = database

    def stations(board: str, **chosen: str) -> set[str]:
        (variable,) = [one for one in BOARDS[board]["templating"]["list"] if one["name"] == "station"]
        return {row[1] for one in server.query(filled(board, variable["query"], **chosen), db=name) for row in one["values"]}

    assert len(stations("city-now.en.json")) == 13
    assert stations("city-now.en.json", area=escaped("hai-chau")) == {"hai-chau-01", "song-han-01"}


def test_a_ward_has_all_its_places_and_no_other(database: tuple[Influxd, str]) -> None:
    server, name = database
    query = query_of("city-now.en.json", "Air: newest hour per station")
    for chosen, stations in (
        (escaped("hai-chau"), {"hai-chau-01"}),
        (f"({escaped('hai-chau')}|{escaped('an-khe')})", {"hai-chau-01", "an-khe-01"}),
    ):
        found = server.query(filled("city-now.en.json", query, area=chosen), db=name)
        assert {one["tags"]["station"] for one in found} == stations


def test_the_map_knows_where_stations_are(database: tuple[Influxd, str]) -> None:
    server, name = database
    found = server.query(filled("city-now.en.json", query_of("city-now.en.json", "Map of VN_AQI and VN_WQI")), db=name)
    places = {one["tags"]["station"]: dict(zip(one["columns"], one["values"][0], strict=True)) for one in found}
    assert (places["hai-chau-01"]["latitude"], places["hai-chau-01"]["longitude"]) == (16.0702, 108.2246)
    assert "song-han-01" not in places, "water is the second layer's"
    assert all(place["VN_AQI"] or place["Why there is none"] for place in places.values())


def test_courses_show_usable_values_only(database: tuple[Influxd, str]) -> None:
    """The broken sensor says 1200 all day: no chart of readings shows it."""
    server, name = database
    query = filled("city-now.en.json", query_of("city-now.en.json", "PM2.5"), station="cam-le-01")
    assert all(row[1] is None for one in server.query(query, db=name) for row in one["values"])
    assert server.query('SELECT max("pm25") FROM "air" WHERE "station" = \'cam-le-01\'', db=name)[0]["values"][0][1] == 1200.0


def test_charts_of_the_whole_city_read_hourly_means_but_for_the_water_level() -> None:
    """Of a year of 40 water stations the hourly means cost a third of the readings; a flood cannot wait for the hour."""
    charts = {title: query_of("city-now.en.json", title) for title in ("PM2.5", "Ozone", "Dissolved oxygen", "pH", "Conductivity")}
    assert all(re.search(r'FROM "(air|water)_1h"', query) for query in charts.values())
    assert 'FROM "water"' in query_of("city-now.en.json", "Water level")
