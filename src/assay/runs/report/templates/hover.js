"use strict";
// A crosshair over charts that carry [[place, words], ...]; the page is complete without it.
for (const svg of document.querySelectorAll("svg[data-hover]")) {
  const samples = JSON.parse(svg.dataset.hover);
  const box = svg.viewBox.baseVal;
  const line = svg.appendChild(document.createElementNS(svg.namespaceURI, "line"));
  line.setAttribute("class", "cross");
  line.setAttribute("y1", "8");
  line.setAttribute("y2", String(box.height - 30));
  const words = svg.parentNode.appendChild(document.createElement("p"));
  words.className = "read";
  const show = (event) => {
    const frame = svg.getBoundingClientRect();
    const at = ((event.clientX - frame.left) / frame.width) * box.width;
    let nearest = samples[0];
    for (const sample of samples) if (Math.abs(sample[0] - at) < Math.abs(nearest[0] - at)) nearest = sample;
    line.setAttribute("x1", nearest[0]);
    line.setAttribute("x2", nearest[0]);
    words.textContent = nearest[1];
    svg.parentNode.classList.add("reading");
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", () => svg.parentNode.classList.remove("reading"));
}
