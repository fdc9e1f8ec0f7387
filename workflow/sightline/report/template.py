"""What the page looks like. In a module, so that the digest of a rule's code sees it change."""

from __future__ import annotations

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
p.first { font-size: 1.1rem; border-left: 4px solid #0173b2; padding: .3rem 0 .3rem .8rem; }
dt { font-weight: 600; margin-top: .5rem; } dd { margin: 0 0 0 1rem; }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; }
figcaption, .notes { font-size: .9rem; color: #555; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #888; vertical-align: bottom; }
td.text, th.text { text-align: left; white-space: nowrap; }
nav a { margin-right: 1rem; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if sections | length > 1 %}
<nav>{% for section in sections %}<a href="#s{{ loop.index }}">{{ section.heading }}</a>
{% endfor %}</nav>
{% endif %}
{% for section in sections %}
<section id="s{{ loop.index }}">
<h2>{{ section.heading }}</h2>
{% for sentence in section.sentences %}
<p{% if loop.first %} class="first"{% endif %}>{{ sentence }}</p>
{% endfor %}
{% if section.figure %}
<figure>{{ section.figure | picture }}<figcaption>{{ section.caption }}</figcaption></figure>
{% endif %}
{% if section.details %}
<dl>
{% for name, text in section.details %}
<dt>{{ name }}</dt><dd>{{ text }}</dd>
{% endfor %}
</dl>
{% endif %}
{% if section.table | length %}
<div class="wide"><table>
<thead><tr>
{% for name in section.table.index.names %}
<th class="text">{{ name }}</th>
{% endfor %}
{% for column in section.table.columns %}
<th>{{ column }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for key, row in section.table.iterrows() %}
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
{% if section.notes %}
<ul class="notes">
{% for note in section.notes %}
<li>{{ note }}</li>
{% endfor %}
</ul>
{% endif %}
</section>
{% endfor %}
</body>
</html>
"""
