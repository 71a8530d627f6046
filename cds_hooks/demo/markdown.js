// The Markdown the cards use: paragraphs, bold, lists, links, backslash escapes. Nothing else is markup.

import { el, link } from "./dom.js";

const ITEM = /^\s*(?:(\d+)[.)]|[-*])\s+(.*)$/;
const INLINE =
  /\\([!-/:-@[-`{-~])|\*\*(?=\S)((?:\\.|[^\\])+?)\*\*|\[((?:\\.|[^\\\]])+)\]\((https?:\/\/[^\s)]+)\)/g;

export function markdown(text) {
  const blocks = document.createDocumentFragment();
  for (const block of text.replace(/\r\n?/g, "\n").split(/\n\s*\n/)) blocks.append(...parts(block));
  return blocks;
}

// A block holds paragraphs and lists: "Do:" and its numbered lines need no empty line between them.
function parts(block) {
  const found = [];
  let list = null;
  let paragraph = [];
  const close = () => {
    if (paragraph.length) found.push(el("p", {}, inline(paragraph.join(" "))));
    paragraph = [];
  };
  for (const line of block.split("\n")) {
    const item = ITEM.exec(line);
    if (!item) {
      if (line.trim()) paragraph.push(line.trim());
      list = null;
      continue;
    }
    close();
    const tag = item[1] ? "OL" : "UL";
    if (list?.tagName !== tag) {
      list = el(tag.toLowerCase(), { start: item[1] && item[1] !== "1" ? item[1] : null });
      found.push(list);
    }
    list.append(el("li", {}, inline(item[2])));
  }
  close();
  return found;
}

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > from) nodes.push(text.slice(from, match.index));
    const [whole, escaped, bold, label, url] = match;
    if (escaped) nodes.push(escaped);
    else if (bold) nodes.push(el("strong", {}, inline(bold)));
    else nodes.push(link(label.replace(/\\(.)/g, "$1"), url));
    from = match.index + whole.length;
  }
  if (from < text.length) nodes.push(text.slice(from));
  return nodes;
}
