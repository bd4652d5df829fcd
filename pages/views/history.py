"""History: every run, to open, rename, resume or delete."""

import streamlit as st

from pages.parts import words
from pages.parts.language import _
from tlcore import lab
from tlcore.errors import SpecificationError
from tlcore.lab import RunInfo


@st.dialog(_("Delete this run?"))
def confirm_deletion(run: RunInfo) -> None:
    """Ask once more; results cannot be brought back."""
    st.markdown(_("**{name}** and its results will be gone for good.").format(name=words.title(run)))
    if st.button(_("Delete"), type="primary", key="confirm-delete"):
        try:
            lab.delete(run.id)
        except SpecificationError as error:
            st.error(str(error))
            return
        st.rerun()


def show(run: RunInfo) -> None:
    """Show one run in a row of its own."""
    total = sum(run.counts.values())
    with st.container(border=True, key=f"run-{run.id}"):
        st.markdown(f"**{words.title(run)}** · {words.status(run.status)}")
        st.caption(
            f"{run.created:%Y-%m-%d %H:%M} UTC · {' → '.join(run.experiment.names)} · "
            + _("{done} of {total} trials done").format(done=run.counts.get("done", 0), total=total)
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if run.counts.get("done"):
                st.page_link(
                    "../views/compare.py",
                    label=_("Compare"),
                    icon=":material/compare_arrows:",
                    query_params={"run": run.id},
                )
            st.page_link("../views/run.py", label=_("Open"), icon=":material/visibility:", query_params={"run": run.id})
            if run.status in ("cancelled", "failed", "lost") and st.button(
                _("Resume"), icon=":material/replay:", key=f"resume-{run.id}", type="tertiary"
            ):
                lab.resume(run.id)
                st.rerun()
            with st.popover(_("Rename"), icon=":material/edit:", type="tertiary", key=f"rename-{run.id}"):
                name = st.text_input(_("Name"), run.name, key=f"name-{run.id}", max_chars=80)
                if name != run.name:
                    lab.rename(run.id, name)
                    st.rerun()
            if run.ended and st.button(_("Delete"), icon=":material/delete:", key=f"delete-{run.id}", type="tertiary"):
                confirm_deletion(run)


st.title(_("History"))
runs = lab.list_runs()
if not runs:
    st.info(_("No runs yet."), icon=":material/rocket_launch:")
    st.page_link("../views/run.py", label=_("Start a run"), icon=":material/play_circle:")
for run in runs[:50]:
    show(run)
