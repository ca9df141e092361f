"""`python -m dashboards`: the same as `envgw dashboards build`, for those who change them."""

from dashboards.generate import write_all

if __name__ == "__main__":
    for path in write_all():
        print(path)
