"""Snapshot to findings. Pure: no network, clock, environment or randomness.

Where to look:

- the policy language: parse, jsontext, template, values, patterns, match, condition, statement
- its logic: expression, cells, witness, search, residual, axioms, memo, wording, implication
- one request: request, context, binding, caller, session_tags, layers, grants, evaluation, decide, reasons, trust
- why a verdict is what it is: gates, checks, trace, evidence, rules, question, explain, who_can
- whom a document means: selectors, reach, everybody, classes, party, approvals, borders
- paths through roles: providers, sources, admission, hops, graph, role_use, alike, paths, path_findings, path_words,
  delegation, role_paths, graph_export
- findings about keys: findings, judge, access, assemble, damaged, hygiene, identity, sentences, severity, remedy
- findings about our own permissions: identity_findings, uses, principal_classes, stand_ins, drafts, statement_actions,
  foreign_named, foreign_keys, broad_statements, broad, attribute_rules, attribute_changes, attribute_flips,
  attribute_words, attribute_outsiders, attributes
- from run to run: lifecycle, difference, sameness, suppress, summary
- other documents in the place of these: whatif, rejudge, textedit, edits, trust_edits, vain_edits, surroundings,
  remedied, path_remedies
"""
