/// The page, in Mustache. What is put in is escaped: there is no `{{{` in it.
enum PageTemplate {
  static let partials = [
    "runs": """
    {{#runs}}{{>run}}{{/runs}}
    """,
    "run": """
    {{#isLink}}<a href="#{{target}}">{{text}}</a>{{/isLink}}\
    {{#isCode}}<code>{{text}}</code>{{/isCode}}\
    {{^isLink}}{{^isCode}}{{text}}{{/isCode}}{{/isLink}}
    """,
    "fields": """
    <tr><th scope="row"><code>{{fieldName}}</code>{{#isRequired}} <b>required</b>{{/isRequired}}\
    {{#place}}<br><small>{{place}}</small>{{/place}}</th>\
    <td>{{#kind}}{{>run}}{{/kind}}<br><small>{{limits}}</small></td>\
    <td>{{#fieldText}}<p>{{>runs}}</p>{{/fieldText}}</td></tr>
    """,
    "body": """
    <p><code>{{mediaType}}</code> {{#bodyKind}}{{>run}}{{/bodyKind}}</p>
    {{#examples}}<details><summary>Example: {{exampleName}}</summary>\
    <pre tabindex="0">{{exampleText}}</pre></details>{{/examples}}
    """,
  ]

  static let page = """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>{{title}}: the HTTP API</title>
    <style>{{style}}</style>
    </head>
    <body>
    <a class="skip" href="#main">To the text</a>
    <nav aria-label="Contents">
    <p><b>{{title}}</b> {{version}}</p>
    <p><a href="openapi.yaml">openapi.yaml</a></p>
    {{#groups}}
    <p class="head"><a href="#tag-{{groupName}}">{{groupName}}</a></p>
    <ul>{{#operations}}<li><a href="#{{operationID}}"><span class="method">{{method}}</span> {{path}}</a></li>{{/operations}}</ul>
    {{/groups}}
    <p class="head"><a href="#problems">problems</a></p>
    <p class="head"><a href="#schemas">schemas</a></p>
    <ul>{{#schemas}}<li><a href="#{{schemaName}}">{{schemaName}}</a></li>{{/schemas}}</ul>
    </nav>
    <main id="main" tabindex="-1">
    <h1>{{title}}</h1>
    <p class="lead">{{summary}}</p>
    {{#introduction}}<p>{{>runs}}</p>{{/introduction}}
    {{#groups}}
    <h2 id="tag-{{groupName}}">{{groupName}}</h2>
    {{#groupText}}<p>{{>runs}}</p>{{/groupText}}
    {{#operations}}
    <section aria-labelledby="{{operationID}}">
    <h3 id="{{operationID}}"><span class="method {{method}}">{{method}}</span> <code>{{path}}</code></h3>
    <p class="lead">{{operationSummary}} <small><code>{{operationID}}</code></small></p>
    {{#operationText}}<p>{{>runs}}</p>{{/operationText}}
    {{#hasParameters}}
    <h4>Parameters</h4>
    <div class="wide" tabindex="0" role="region" aria-label="Parameters"><table>{{#parameters}}{{>fields}}{{/parameters}}</table></div>
    {{/hasParameters}}
    {{#hasBody}}
    <h4>Body</h4>
    {{#bodyText}}<p>{{>runs}}</p>{{/bodyText}}
    {{#bodies}}{{>body}}{{/bodies}}
    {{/hasBody}}
    <h4>Answers</h4>
    <dl>
    {{#answers}}
    <dt><span class="status s{{status}}">{{status}}</span></dt>
    <dd>{{#answerText}}<p>{{>runs}}</p>{{/answerText}}
    {{#answerBodies}}{{>body}}{{/answerBodies}}
    {{#hasHeaders}}<div class="wide" tabindex="0" role="region" aria-label="Headers"><table>{{#headers}}{{>fields}}{{/headers}}</table></div>{{/hasHeaders}}
    {{#hasLinks}}<p>Goes on with {{#links}}{{>run}}{{/links}}</p>{{/hasLinks}}
    </dd>
    {{/answers}}
    </dl>
    </section>
    {{/operations}}
    {{/groups}}
    <h2 id="problems">problems</h2>
    {{#problems}}
    <section aria-labelledby="{{problemName}}">
    <h3 id="{{problemName}}"><span class="status s{{problemStatus}}">{{problemStatus}}</span> <code>{{problemType}}</code></h3>
    <p class="lead">{{problemTitle}}</p>
    {{#problemText}}<p>{{>runs}}</p>{{/problemText}}
    <details><summary>Example</summary><pre tabindex="0">{{problemExample}}</pre></details>
    </section>
    {{/problems}}
    <h2 id="schemas">schemas</h2>
    {{#schemas}}
    <section aria-labelledby="{{schemaName}}">
    <h3 id="{{schemaName}}">{{schemaName}}</h3>
    {{#schemaText}}<p>{{>runs}}</p>{{/schemaText}}
    <p>{{#schemaKind}}{{>run}}{{/schemaKind}} <small>{{schemaLimits}}</small></p>
    {{#hasFields}}<div class="wide" tabindex="0" role="region" aria-label="Members"><table>{{#fields}}{{>fields}}{{/fields}}</table></div>{{/hasFields}}
    </section>
    {{/schemas}}
    </main>
    </body>
    </html>

    """

  /// No character in it is escaped in HTML: the browser hashes what it reads.
  static let style = """
    :root { --ink: #1d2126; --dim: #5b6570; --line: #d9dee4; --paper: #fff; --tint: #f4f6f8; --link: #0b57a4;
    --good: #1b6e3c; --warn: #8a5a00; --bad: #a3262a; }
    @media (prefers-color-scheme: dark) { :root { --ink: #dde3ea; --dim: #98a4b0; --line: #343c45; --paper: #15191d;
    --tint: #1e242a; --link: #7db7f0; --good: #6fcf97; --warn: #e0b25c; --bad: #f08a8c; } }
    * { box-sizing: border-box; }
    html { scroll-padding-top: 1rem; }
    body { margin: 0; color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif; display: grid;
    grid-template-columns: 19rem minmax(0, 1fr); }
    a { color: var(--link); }
    a:focus-visible, summary:focus-visible, pre:focus-visible, div:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
    .skip { position: absolute; left: -100rem; } .skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem; z-index: 1; }
    nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1rem 1.25rem; border-right: 1px solid var(--line);
    background: var(--tint); font-size: .85rem; }
    nav ul { list-style: none; margin: 0 0 .75rem; padding: 0; } nav li { margin: .15rem 0; } nav a { text-decoration: none; }
    nav p { margin: .25rem 0; } .head { font-weight: 600; text-transform: capitalize; }
    nav .method { display: inline-block; width: 3.9rem; color: var(--dim); font-size: .75rem; }
    main { padding: 1.5rem 2.5rem 6rem; max-width: 66rem; }
    h1 { margin: 0; } h2 { margin: 3rem 0 .5rem; text-transform: capitalize; } h4 { margin: 1.25rem 0 .25rem; }
    h3 { margin: 0 0 .25rem; font-size: 1.1rem; overflow-wrap: anywhere; }
    section { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem 1.25rem; margin: 1rem 0; }
    p { margin: .4rem 0; } .lead { font-weight: 600; } small { color: var(--dim); font-weight: 400; }
    code, pre { font-family: ui-monospace, monospace; font-size: .88em; }
    p code, td code { background: var(--tint); padding: .05rem .25rem; border-radius: .25rem; overflow-wrap: anywhere; }
    pre { background: var(--tint); border: 1px solid var(--line); border-radius: .35rem; padding: .75rem; overflow: auto; margin: .4rem 0; }
    .method { font-weight: 700; font-size: .85em; } .GET { color: var(--link); } .POST { color: var(--good); } .DELETE { color: var(--bad); }
    .status { font-weight: 700; color: var(--bad); } .s200, .s202 { color: var(--good); } .s304 { color: var(--dim); }
    .s429, .s503 { color: var(--warn); }
    .wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
    th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-top: 1px solid var(--line); }
    th { font-weight: 400; min-width: 10rem; } th b { color: var(--warn); font-size: .75rem; } td { overflow-wrap: anywhere; }
    td:nth-child(2) { width: 34%; } td p:first-child { margin-top: 0; }
    dl { display: grid; grid-template-columns: 3.5rem minmax(0, 1fr); margin: 0; }
    dt, dd { margin: 0; padding: .4rem 0; border-top: 1px solid var(--line); }
    @media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; border: 0; } main { padding: 1rem; } }
    @media print { nav { display: none; } body { display: block; } }
    """
}
