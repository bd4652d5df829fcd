"""Files of a person's own: brought, shown as they were understood, and corrected by choosing."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Literal

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from pages.parts import words
from pages.parts.fields import ask, changed
from pages.parts.language import _
from tlcore.datasets.columns import KINDS
from tlcore.datasets.look import LEFT_OUT, Look
from tlcore.datasets.own import OwnFile, keep_upload
from tlcore.datasets.tables import TableFile
from tlcore.errors import SpecificationError, first_line

MOST_MATCHED = 20  # labels that are matched by choosing; more are written down
ROW = 35  # pixels, as Streamlit draws it
MOST_ROWS = 12
UNKNOWN = "–"  # the kind of a column that was not looked into


def bring(kind: type[OwnFile], which: str, label: str) -> dict[str, Any]:
    """Ask for a file, uploaded or by its address."""
    uploaded = st.file_uploader(label, key=f"{which}.upload", help=" ".join((kind.__doc__ or "").split()))
    if uploaded is not None:
        return {"path": str(keep_upload(uploaded.name, uploaded.getvalue()))}
    with st.expander(_("A file or a folder by its address"), icon=":material/link:"):
        path = ask("path", kind.model_fields["path"], f"{which}.path", "")
    return {"path": path} if path else {}


def look_over(kind: type[OwnFile], fields: dict[str, Any]) -> bool:
    """Show how each file was read, with what a person says of it written into its fields; return whether all can be.

    What is wrong with a file stands beside what may mend it.
    """
    given = [which for which in ("source", "target") if isinstance(fields[which], dict) and "path" in fields[which]]
    if not given:
        return True
    readable = True
    with st.expander(_("How the files were read"), icon=":material/table_chart:", expanded=True):
        places = {}
        for which, column in zip(given, st.columns(len(given)), strict=True):
            with column:
                places[which] = st.container(), st.container(horizontal=True)
        files = {which: _as_told(kind, which, fields[which], *places[which]) for which in given}
        for which, file in files.items():
            if file is None:
                readable = False
                continue
            other = files.get("target" if which == "source" else "source")
            readable &= _draw(which, file, _like(file, other) if other else file, *places[which])
        if readable and len(files) == 2:
            _match_labels(kind, fields)
            _count_labels(kind, fields)
    return readable


def _as_told(kind: type[OwnFile], which: str, fields: dict[str, Any], above: Any, below: Any) -> OwnFile | None:
    """Return the file as a person described it, and write that into its fields; None if it cannot be."""
    otherwise = below.popover(_("Read it otherwise"), icon=":material/tune:")
    with otherwise:
        fields |= changed(kind.written(), which)
    try:
        file = kind.model_validate(fields)
        whole = _seen(file, "glance")[0]
        if whole and whole.columns:
            fields |= _chosen(which, file, whole)
        else:  # no columns to choose in: keys of arrays, or a file that cannot be read yet
            roles = kind.usual if issubclass(kind, TableFile) else ()
            with otherwise:
                fields |= changed({role: kind.model_fields[role] for role in roles}, which)
        return kind.model_validate(fields)
    except ValidationError as error:
        above.error(f"{which}.{first_line(error, [*kind.model_fields])}", icon=":material/error:")
    return None


def _like(file: OwnFile, other: OwnFile) -> OwnFile:
    try:
        return file.like(other)
    except SpecificationError:
        return file  # what is wrong is said where it is looked at


def _draw(which: str, told: OwnFile, file: OwnFile, above: Any, below: Any) -> bool:
    """Show how a file was read, and return whether it can be."""
    look, error = _seen(file, "look")
    shown = look or _seen(file, "glance")[0]
    with above:
        st.markdown(f"**{words.domain(which)}** `{file.name}`")
        if shown:
            st.caption(" · ".join(f"{words.reading(name)}: {_(value)}" for name, value in shown.facts.items()))
        if error:
            st.error(f"{which}.{error}", icon=":material/error:")
        if shown and shown.columns:
            _edit(which, type(told), shown)
        if shown and shown.classes:
            _show_classes(shown)
        if shown and shown.left_out:
            st.caption(" · ".join(f"{words.left_out(why)}: {count:,}" for why, count in shown.left_out.items()))
    for field, value in (shown.proposed if shown else {}).items():
        pattern = field in told.written()
        below.button(
            _("Names of pictures look like groups: keep each on one side")
            if pattern
            else _("{value} looks like a group: keep each on one side").format(value=f"`{value}`"),
            icon=":material/call_split:",
            help=_("So that none is learned from while another of the same is scored.")
            + (f" `{field}={value}`" if pattern else ""),
            key=f"{which}.propose.{field}",
            on_click=partial(_accept, which, told, field, value),
        )
    return look is not None


def _accept(which: str, file: OwnFile, field: str, value: str) -> None:
    """Say what was proposed: in the field where a person writes it, or for the column."""
    if field in file.written():
        st.session_state[f"{which}.{field}"] = value
    else:
        st.session_state[f"{which}.told"]["fields"] = file.told({value: field}, {})


def _chosen(which: str, file: TableFile, whole: Look) -> dict[str, Any]:
    """Return what a person chose for the columns of a file, with what was changed in the table since.

    A change that the table's state holds counts once, when it is new. The table is that of the file's columns in their
    order, whatever is chosen, so that its rows stay where they are.
    """
    names = [column.name for column in whole.columns]
    of = sha256(repr((type(file).__name__, file.pinned().sha256, names)).encode()).hexdigest()[:12]
    state = st.session_state.get(f"{which}.told")
    if state is None or state["of"] != of:
        state = {"of": of, "fields": {}, "version": 0, "seen": {}}
        st.session_state[f"{which}.told"] = state
    state["whole"] = whole
    edits = _edits(which)
    fresh: dict[str, dict[str, str]] = {"role": {}, "kind": {}}
    for row, edit in edits.items():
        for what, value in edit.items():
            if value not in (None, UNKNOWN) and value != state["seen"].get(row, {}).get(what):
                fresh[what][names[row]] = value
    if fresh["role"] or fresh["kind"]:
        now = file.model_validate({**file.model_dump(exclude_defaults=True), **state["fields"]})
        state["fields"] = now.told(fresh["role"], fresh["kind"])
    state["seen"] = edits
    return dict(state["fields"])


def _edits(which: str) -> dict[int, dict[str, str]]:
    """Return what was changed in the table of columns, by rows."""
    edited: Mapping[Any, Mapping[str, str]] = st.session_state.get(_key(which), {}).get("edited_rows", {})
    return {int(row): dict(edit) for row, edit in edited.items()}


def _key(which: str) -> str:
    state = st.session_state[f"{which}.told"]
    return f"{which}.columns.{state['of']}.{state['version']}"


def _edit(which: str, kind: type[TableFile], look: Look) -> None:
    """Draw the columns, in which role and kind are changed by choosing."""
    state = st.session_state[f"{which}.told"]
    table = pd.DataFrame(
        [
            (
                column.name,
                column.role,
                column.kind or UNKNOWN,
                100 * column.missing,
                _(column.why) if column.why else "",
                " | ".join(column.examples),
            )
            for column in look.in_the_order_of(state["whole"]).columns
        ],
        columns=["column", "role", "kind", "missing", "why", "values"],
    )
    for row, edit in _edits(which).items():
        if any(table.at[row, what] != value for what, value in edit.items()):
            # Another column took the role, or it cannot be had: begin anew, or the table would show what is not so.
            state["version"] += 1
            state["seen"] = {}
            break
    st.data_editor(
        table,
        column_config={
            "column": st.column_config.TextColumn(_("Column"), pinned=True, width=110),
            "role": st.column_config.SelectboxColumn(
                _("Role"),
                help=_("What it is for; choose another."),
                options=[*kind.usual, kind.others, LEFT_OUT],
                format_func=words.role,
                required=True,
                width=90,
            ),
            "kind": st.column_config.SelectboxColumn(
                _("Kind"),
                help=_("What is in it; choose another."),
                options=[*KINDS, UNKNOWN] if UNKNOWN in {*table["kind"]} else KINDS,
                format_func=words.kind,
                required=True,
                width=90,
            ),
            "missing": st.column_config.NumberColumn(_("Missing"), format="%.0f%%", width=70),
            "why": st.column_config.TextColumn(_("Why"), width=200),
            "values": st.column_config.TextColumn(_("Values"), width=200),
        },
        column_order=[name for name in table if name != "why" or table["why"].any()],
        disabled=["column", "missing", "values", "why"],
        hide_index=True,
        height=ROW * (1 + min(MOST_ROWS, len(table))) + 3,
        key=_key(which),
    )


def _show_classes(look: Look) -> None:
    """Draw what the pixels of masks stand for: numbers or colours, how many of all pixels, in how many pictures."""
    table = pd.DataFrame([(one.name, one.written, one.share, one.pictures) for one in look.classes])
    table.columns = pd.Index(["class", "written", "share", "pictures"])
    st.dataframe(
        table,
        column_config={
            "class": st.column_config.TextColumn(_("Class"), pinned=True, width=140),
            "written": st.column_config.TextColumn(_("In the masks"), help=_("Numbers or colours."), width=110),
            "share": st.column_config.ProgressColumn(_("Of pixels"), format="percent", min_value=0, max_value=1),
            "pictures": st.column_config.NumberColumn(_("Pictures"), width=80),
        },
        hide_index=True,
        height=ROW * (1 + min(MOST_ROWS, len(table))) + 3,
    )


def _match_labels(kind: type[OwnFile], fields: dict[str, Any]) -> None:
    """Ask what the source's labels are called in the target, where they differ, and write that into its ``rename``."""
    if "rename" not in kind.model_fields:
        return
    source, target = (kind.model_validate(fields[which]) for which in ("source", "target"))
    source, target = _like(source, target), _like(target, source)
    theirs, mine = source.labels(), target.labels()
    unknown = [label for label in theirs if label not in mine]
    if not (mine and unknown) or len(unknown) > MOST_MATCHED:
        return
    alike = {_plain(label): label for label in mine}
    names = [_("a label of its own"), *mine, _("left out")]
    chosen = {}
    st.caption(_("The source has labels that the target has not. What are they called in the target?"))
    with st.container(horizontal=True):
        for label in unknown:
            start = 1 + mine.index(alike[_plain(label)]) if _plain(label) in alike else 0
            options = range(len(names))
            place = st.selectbox(
                label, options, index=start, format_func=names.__getitem__, key=f"same.{label}", width=220
            )
            chosen[label] = [label, *mine, ""][place]
    fields["source"]["rename"] = source.relabelled(chosen)


def _plain(label: str) -> str:
    """Return a label without what does not tell it from another: case and blanks."""
    return "".join(label.casefold().split())


def _count_labels(kind: type[OwnFile], fields: dict[str, Any]) -> None:
    """Show how many examples have each label in either domain."""
    source, target = (kind.model_validate(fields[which]) for which in ("source", "target"))
    looks = [_seen(file, "look")[0] for file in (_like(source, target), _like(target, source))]
    counts = [look.labels if look else {} for look in looks]
    labels = list(dict.fromkeys([*counts[1], *counts[0]]))
    if not labels:
        return
    most = max(n for each in counts for n in each.values())
    table = pd.DataFrame({"label": labels} | {
        which: [each.get(label, 0) for label in labels]
        for which, each in zip(("source", "target"), counts, strict=True)
    })  # fmt: skip
    bars = {
        which: st.column_config.ProgressColumn(words.domain(which), format="%d", min_value=0, max_value=most)
        for which in ("source", "target")
    }
    st.dataframe(
        table,
        column_config={"label": st.column_config.TextColumn(_("Label"), width=160), **bars},
        hide_index=True,
        height=ROW * (1 + min(MOST_ROWS // 2, len(table))) + 3,
        key="labels",
    )


def _seen(file: OwnFile, how: Literal["look", "glance"]) -> tuple[Look | None, str]:
    """Return how a file is understood, or why it cannot be."""
    try:
        file = file.pinned()
    except SpecificationError as error:
        return None, str(error)
    return _kept(f"{type(file).__name__} {file.model_dump_json()}", how, file)


@st.cache_data(max_entries=64, show_spinner=False)
def _kept(of: str, how: str, _file: OwnFile) -> tuple[Look | None, str]:  # noqa: ARG001 - what tells files apart
    try:
        return getattr(_file, how)(), ""
    except SpecificationError as error:
        return None, str(error)
