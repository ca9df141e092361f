"""Tools that tests, benches and acceptance runs share: real servers to start and kill, and small ones of ours."""
