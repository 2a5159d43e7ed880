"""Training scenes for any place: real photos, and cars cut out and put before anything, with other cars behind them."""
