"""`chainrule theory`: statements of theory, run."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import App, Parameter

from chainrule.analysis.theory import TOPICS, Topic
from chainrule.cli.options import Integer
from chainrule.errors import ConfigError, unknown
from chainrule.recipes.run import plain_json
from chainrule.summary import aligned

app = App(
    name="theory",
    help_epilogue="""Examples:
  chainrule theory
  chainrule theory split --split 300,100/100,300 --split 200,400/200,0
  chainrule theory vanishing-gradients --depth 30 --picture norms.png
  chainrule theory trees --recipe digits-mlp --json""",
)


@app.default
def theory(topic: str | None = None, /) -> None:
    """List the topics, or run one: `chainrule theory TOPIC --help` shows its options."""
    if topic is not None:  # a known one is a command of its own
        raise unknown("topic", topic, TOPICS)
    print(aligned(("topic", "what it shows"), [(t.name, t.statement) for t in TOPICS.values()], text_columns=2))


#: An integer as written, for options that have a default.
_WHOLE = typing.get_args(Integer)[1]


def _command(topic: Topic) -> Callable[..., None]:
    """The topic's function as a command: its own options, and --json and --picture."""

    @functools.wraps(topic.run)
    def command(*, json: bool = False, picture: str | None = None, **options: Any) -> None:
        finding = topic.run(**options)
        if picture is not None:
            if finding.figure is None:
                raise ConfigError(f"theory {topic.name}: there is no picture of this; leave --picture out")
            from chainrule.report.plots import save_figure

            save_figure(finding.figure(), picture)
        print(plain_json({"topic": topic.name, **finding.data}) if json else finding.text)

    hints = typing.get_type_hints(topic.run)
    signature = inspect.signature(topic.run)
    own = [p.replace(annotation=_annotated(hints[p.name])) for p in signature.parameters.values()]
    flag = Annotated[bool, Parameter(negative="", help="Print what was found as one JSON object.")]
    path = Annotated[str | None, Parameter(help="Draw it into this PNG file.")]
    shared = [
        inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=flag),
        inspect.Parameter("picture", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=path),
    ]
    parameters = [*own, *shared]
    command.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    del command.__wrapped__
    return command


def _annotated(hint: Any) -> Any:
    if hint is int or hint == int | None:
        return Annotated[hint, _WHOLE]
    return Annotated[hint, Parameter(negative="", consume_multiple=True)] if typing.get_origin(hint) is tuple else hint


for _topic in TOPICS.values():
    app.command(_command(_topic), name=_topic.name)
