"""Train networks from recipes and export them as model files."""
