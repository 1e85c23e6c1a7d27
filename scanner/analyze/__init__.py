"""Snapshot to findings. Pure: no network, clock, environment or randomness.

The questions that can be asked are modules here: `findings` judges a whole snapshot, `explain` takes one decision
apart, `who_can` lists who can use a key, `rejudge` compares with other documents, `summary` sums a run up below its
`headline`.

A whole snapshot is judged in `parts`, which processes that share `shared_bytes` can do apart: `spread` has them done
and puts them together, and `judging` says how far that is.

What answers them are packages. Each imports only from those below it (an import contract holds them to that):

- `edits`: other documents in the place of those that were read: what-if, and edits that are tried first.
- `history`: what became of findings since an earlier run, and which of them are accepted.
- `permissions`: findings about what our own principals may do: foreign keys, broad statements, control by attributes.
- `paths`: paths through assumed roles: who may enter which role, how far one gets, and the findings about it (R7).
- `keys`: findings about one key: everybody it names, judged, weighed and put into words.
- `principals`: whom a document means: selectors, the identities behind them, whose they are, and who approved them.
- `decision`: layers combined into a verdict as AWS combines them, with every gate and check that led to it (R3.7).
- `statements`: whether a statement applies to a request: principals, actions, resources, conditions, variables.
- `request`: one request: who asks, for what, and what each condition key holds in it.
- `language`: policy text to documents in which every statement keeps its lines and columns.
- `logic`: boolean expressions over what a request may hold: kept, simplified, decided exactly, put into words.
"""
