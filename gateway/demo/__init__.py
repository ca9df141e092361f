"""The demo's city: 12 simulated stations of Da Nang and one real series, with configuration, rules and scenario."""
