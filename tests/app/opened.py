"""A page, opened without a browser."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]


def page(name: str, **query: str) -> AppTest:
    """Return a page as it is drawn first, with what stands behind ? in its address."""
    app = AppTest.from_file(str(ROOT / "pages/router/main.py"), default_timeout=60)
    app.switch_page(f"../views/{name}.py")
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app
