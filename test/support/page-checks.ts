/** The smallest contrast between a text's colour and the page's, over all texts that are shown. */
export const LOWEST_CONTRAST = `(() => {
  const luminance = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  const ratios = [...document.querySelectorAll('h1,h2,p,td,th,dt,dd,code,figcaption span,caption span,.interval,summary,svg text')]
    .filter((element) => element.getBoundingClientRect().width > 0)
    .map((element) => {
      const style = getComputedStyle(element);
      const ink = luminance(element instanceof SVGElement ? style.fill : style.color);
      return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    });
  return Math.min(...ratios);
})()`;

/** Labels as the browser's own fonts draw them. */
export const CUT_OFF = `[...document.querySelectorAll('svg text')]
  .filter((text) => {
    const [box, frame] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
    return box.width > 0 && (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  })
  .map((text) => text.textContent)`;
