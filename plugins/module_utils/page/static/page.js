// Copyright: kvmstack contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// Keeps a page as the record is, asked every few seconds while it is looked at, and says how long ago things were.
(function () {
  'use strict';

  var EVERY = 3000;
  var LONGEST = 30000; // milliseconds between two questions to an API that does not answer
  var live = document.getElementById('live');
  var trouble = document.getElementById('trouble');
  var shown = live && live.innerHTML;
  var tag = null;
  var wait = EVERY;

  function ago(seconds) {
    if (seconds < 0) { return 'now'; }
    if (seconds < 60) { return Math.floor(seconds) + ' s ago'; }
    if (seconds < 3600) { return Math.floor(seconds / 60) + ' min ago'; }
    if (seconds < 172800) { return Math.floor(seconds / 3600) + ' h ago'; }
    return Math.floor(seconds / 86400) + ' days ago';
  }

  function ages() {
    document.querySelectorAll('time[datetime]').forEach(function (each) {
      var words = ago((Date.now() - Date.parse(each.dateTime)) / 1000);
      if (each.textContent !== words) { each.textContent = words; }
    });
  }

  function inUse() {
    var active = document.activeElement;
    return active && live.contains(active) && /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName);
  }

  function show(html) {
    var fresh = new DOMParser().parseFromString(html, 'text/html').getElementById('live');
    if (!fresh || fresh.innerHTML === shown || inUse()) { return; }
    var focused = live.contains(document.activeElement) && document.activeElement.id;
    var open = Array.from(live.querySelectorAll('details[open][id]'), function (each) { return each.id; });
    shown = fresh.innerHTML;
    live.replaceChildren.apply(live, fresh.childNodes);
    open.forEach(function (id) {
      var again = document.getElementById(id);
      if (again) { again.open = true; }
    });
    if (focused && document.getElementById(focused)) { document.getElementById(focused).focus(); }
    ages();
  }

  function report(words) {
    if (trouble.textContent !== words) { trouble.textContent = words; }
    trouble.hidden = !words;
  }

  function look() {
    if (document.hidden) { return next(); }
    fetch(location.href, {headers: tag ? {'If-None-Match': tag} : {}, cache: 'no-store', credentials: 'same-origin'})
      .then(function (reply) {
        wait = EVERY;
        if (reply.status === 304) { report(''); return null; }
        if (reply.status === 404) { report('This is not there any more.'); return null; }
        if (!reply.ok) { throw new Error(reply.status); }
        tag = reply.headers.get('ETag');
        report('');
        return reply.text().then(show);
      })
      .catch(function () {
        wait = Math.min(wait * 2, LONGEST);
        report('The API does not answer. What is shown may be old; it is asked again.');
      })
      .then(next);
  }

  function next() { setTimeout(look, wait); }

  ages();
  setInterval(ages, 1000);
  if (live) {
    next();
    document.addEventListener('visibilitychange', function () { if (!document.hidden) { ages(); } });
  }
}());
