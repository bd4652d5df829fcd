"""A page, opened without a browser."""

from pathlib import Path

import pandas as pd
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


def columns_of(app: AppTest, which: str) -> pd.DataFrame:
    """What the page says of the columns of a file."""
    (table,) = [table.value for table in app.data_editor if (table.key or "").startswith(f"{which}.columns.")]
    return table.set_index("column")


def choose(app: AppTest, which: str, column: str, **edit: str) -> None:
    """Change the role or kind of a column in the table, as a person does, who keeps what was changed before."""
    (table,) = [table for table in app.data_editor if (table.key or "").startswith(f"{which}.columns.")]
    row = [*table.value["column"]].index(column)
    edits = dict(app.session_state[table.key]["edited_rows"])
    edits[row] = {**edits.get(row, {}), **edit}
    app.session_state[table.key] = {"edited_rows": edits, "added_rows": [], "deleted_rows": []}
    app.run()
    assert not app.exception


def one(value: str | list[str]) -> str:
    return value if isinstance(value, str) else value[0]


def work_out(app: AppTest) -> None:
    """Run the page once more; on a busy machine, where trials took long, say that explanations are wanted."""
    asked = [button for button in app.button if (button.key or "").startswith("why.")]
    (asked[0].click() if asked else app).run()


def turned_to(app: AppTest, which: str) -> pd.DataFrame:
    """The examples that transfer set right, or set wrong, or all mistakes."""
    app.button_group(key="turned.better").set_value(which).run()
    assert not app.exception
    return next(frame.value for frame in app.dataframe if {"truth", "name"} <= set(frame.value))
