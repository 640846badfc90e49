/** Says that the last token was wrong. Its wording is here, since without a token no other file is served. */

if (new URLSearchParams(location.search).has("wrong")) {
  document.getElementById("wrong").textContent = "That was not the token; try again.";
}
