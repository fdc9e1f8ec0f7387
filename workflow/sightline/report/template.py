"""What the page looks like. In a module, so that the digest of a rule's code sees it change."""

from __future__ import annotations

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --text: #222; --faint: #555; --line: #ddd; --rule: #888;
        --ground: #fff; --accent: #0173b2; --tint: #f1f6fa; }
@media (prefers-color-scheme: dark) {
:root { --text: #e4e4e4; --faint: #aaa; --line: #3a3a3a; --rule: #777; --ground: #181a1b;
        --accent: #58b4e8; --tint: #20272c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground);
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
a { color: var(--accent); }
h1 { font-size: 1.6rem; margin-bottom: .3rem; } h2 { font-size: 1.25rem; margin-top: 2.8rem; }
p.lead { color: var(--faint); margin-top: 0; }
p.first { font-size: 1.1rem; border-left: 4px solid var(--accent); background: var(--tint);
          padding: .4rem .8rem; }
nav ol { padding-left: 1.4rem; } nav li { margin: .15rem 0; }
dt { font-weight: 600; margin-top: .5rem; } dd { margin: 0 0 0 1rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr));
           gap: 1rem; margin: 1.2rem 0; }
figure { min-width: 0; margin: 0; }
figure svg { display: block; max-width: 100%; max-height: 44rem; height: auto; background: #fff;
             border-radius: 4px; margin: 0 auto; }
figcaption, .notes { font-size: .9rem; color: var(--faint); }
summary { cursor: pointer; color: var(--accent); margin: .8rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th { border-bottom: 2px solid var(--rule); vertical-align: bottom; }
td.text, th.text { text-align: left; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if lead %}
<p class="lead">{{ lead }}</p>
{% endif %}
{% if sections | length > 1 %}
<nav><ol>
{% for section in sections %}
<li><a href="#s{{ loop.index }}">{{ section.heading }}</a> {{ section.short }}</li>
{% endfor %}
</ol></nav>
{% endif %}
{% macro numbers(table, meanings={}) %}
{% if table | length %}
<div class="wide"><table>
<thead><tr>
{% for name in table.index.names %}
<th class="text">{{ name }}</th>
{% endfor %}
{% for column in table.columns %}
<th{% if column in meanings %} title="{{ meanings[column] }}"{% endif %}>{{ column }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for key, row in table.iterrows() %}
<tr>
{% for cell in ([key] if key is string else key) %}
<td class="text">{{ cell }}</td>
{% endfor %}
{% for cell in row %}
<td>{{ cell }}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table></div>
{% endif %}
{% endmacro %}
{% for section in sections %}
<section id="s{{ loop.index }}">
<h2>{{ section.heading }}</h2>
{% for sentence in section.sentences if sentence %}
<p{% if loop.first %} class="first"{% endif %}>{{ sentence }}</p>
{% endfor %}
{{ numbers(section.table, section.columns) }}
{% if section.columns %}
<p class="notes">{% for name, meaning in section.columns.items() %}<b>{{ name }}</b>: {{ meaning }}\
{{ "." if loop.last else "; " }}{% endfor %}</p>
{% endif %}
{% if section.details %}
<details><summary>Each method and measure</summary>
<dl>
{% for name, text in section.details %}
<dt>{{ name }}</dt><dd>{{ text }}</dd>
{% endfor %}
</dl>
{{ numbers(section.more) }}
{% if section.notes %}
<ul class="notes">
{% for note in section.notes %}
<li>{{ note }}</li>
{% endfor %}
</ul>
{% endif %}
</details>
{% else %}
{% if section.notes %}
<ul class="notes">
{% for note in section.notes %}
<li>{{ note }}</li>
{% endfor %}
</ul>
{% endif %}
{% endif %}
{% for figure in section.figures if figure.name in drawn %}
{% if loop.first %}
<div class="figures">
{% endif %}
<figure>{{ drawn[figure.name] | picture(figure.name) }}<figcaption>{{ figure.caption }}</figcaption>
</figure>
{% if loop.last %}
</div>
{% endif %}
{% endfor %}
</section>
{% endfor %}
</body>
</html>
"""
