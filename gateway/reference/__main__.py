"""`python -m gateway.reference`: write what is generated (`make schemas`)."""

from gateway.reference.pages import write

for path in write():
    print(path)
