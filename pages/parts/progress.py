"""How a run stands, drawn from the store."""

import streamlit as st

from pages.parts import words
from pages.parts.language import _, ngettext
from tlcore import lab
from tlcore.lab import RunInfo, Undecided


def results_so_far(run: RunInfo) -> None:
    """Draw progress, what is left, and the means of what is done."""
    total = sum(run.counts.values())
    ended = total - run.counts.get("queued", 0) - run.counts.get("running", 0)
    text = _("{ended} of {total} trials").format(ended=ended, total=total)
    if run.counts.get("failed"):
        text += " · " + _("{n} failed").format(n=run.counts["failed"])
    if run.seconds_left and not run.ended:
        text += " · " + _("about {time} left").format(time=words.duration(run.seconds_left))
    undecided = lab.undecided(run.id) if run.experiment.until == "decided" else None
    if undecided and undecided.most_seconds and run.seconds_left and not run.ended:
        text += " · " + _("at most {time} more").format(time=words.duration(undecided.most_seconds))
    st.markdown(words.status(run.status) + (" · " + _("stopping") if run.stopping else ""))
    st.progress(min(1.0, (ended + run.at_work) / total) if total else 0.0, text=text)
    if undecided:
        st.caption(_look(run, undecided))
    if run.error:
        st.warning(run.error)
    if not run.counts.get("done"):
        if not run.ended:
            st.caption(_("The first result appears here in a few seconds."))
        return
    results = lab.results(run.id)
    task = run.experiment.task
    first, second = task.headline
    table = results.summary(first).merge(
        results.summary(second), on=["method", "family", "budget", "seeds"], suffixes=("", "_second")
    )
    labels = [words.capitalised(_(task.metrics[metric].label)) for metric in task.headline]
    st.dataframe(
        table[["method", "budget", "seeds", "mean", "mean_second"]],
        column_config={
            "method": st.column_config.TextColumn(_("Method")),
            "budget": st.column_config.NumberColumn(words.budget(task)),
            "seeds": st.column_config.NumberColumn(_("Trials done")),
            "mean": st.column_config.ProgressColumn(labels[0], format="%.3f", min_value=0, max_value=1),
            "mean_second": st.column_config.ProgressColumn(labels[1], format="%.3f", min_value=0, max_value=1),
        },
        hide_index=True,
        width="stretch",
        height="content",
    )


def _look(run: RunInfo, undecided: Undecided) -> str:
    """Say which look at the verdicts it is, and what the one before left open."""
    number, of = run.look
    said = _("Look {number} of {of}").format(number=number, of=of)
    if number == 1 and not run.ended:
        return said
    if not undecided.verdicts:
        return said + ": " + _("no verdict is open")
    n = len(undecided.verdicts)
    return f"{said}: {ngettext('{n} verdict open', '{n} verdicts open', n).format(n=n)}: {undecided.names}"


def decide_what_is_open(run: RunInfo) -> None:
    """Offer further seeds for what a run that has ended left open, and say what that means."""
    undecided = lab.undecided(run.id) if run.ended else None
    if undecided is None or not undecided.trials:
        return
    n = len(undecided.verdicts)
    label = ngettext("Decide the open one", "Decide the {n} open ones", n).format(n=n)
    if undecided.seconds is not None:
        label = _("{what}, about {time}").format(what=label, time=words.duration(undecided.seconds))
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(label, icon=":material/balance:", key="decide", help=undecided.names):
            lab.decide(run.id)
            st.rerun()
        st.caption(
            _(
                "What is open gets further seeds, up to {n}, until it is clear. Whoever looks several times is more "
                "easily taken in by luck: each look then asks for more, also the one at what is there now."
            ).format(n=run.experiment.until_decided().looks[-1])
        )
