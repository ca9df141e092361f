"""The language of rule conditions: text → tree (`parse`) → checked tree (`check`) → function of what a station shows (`compile_condition`).

`condition.read_condition` goes the whole way. The grammar is `grammar.lark`; what the words mean is in docs/reference/rule-language.md.
"""
