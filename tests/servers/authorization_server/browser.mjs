// Headless Chromium goes through the pages of the authorization server, as a person does.
//
// node browser.mjs '{"executable": ..., "url": ..., "username": ..., "consent": ..., "screenshot": ...}'
// prints {"url": ..., "text": ...} of the page where it ends: one that is not the authorization server's, or has no form.

import { chromium } from 'playwright-core';

const { executable, url, username, consent, screenshot } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath: executable,
  // No name but ours is looked up: the pages of oidc-provider ask for a font from the net.
  args: ['--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost'],
});
try {
  const page = await browser.newPage({ viewport: { width: 800, height: 600 } });
  page.setDefaultTimeout(20_000);
  await page.goto(url);
  const { origin } = new URL(url);
  for (let pages = 0; pages < 10; pages += 1) {
    const submit = page.locator('button[type=submit]').first();
    if (new URL(page.url()).origin !== origin || await submit.count() === 0) break;
    const login = page.locator('input[name=login]');
    const isLogin = await login.count() > 0;
    if (isLogin) {
      await login.fill(username);
      await page.locator('input[name=password]').fill('any');
    }
    const refuse = page.getByText('[ Cancel ]');
    const button = isLogin || consent || await refuse.count() === 0 ? submit : refuse;
    await Promise.all([page.waitForEvent('framenavigated'), button.click()]);
    await page.waitForLoadState('load');
  }
  await page.screenshot({ path: screenshot });
  process.stdout.write(JSON.stringify({ url: page.url(), text: await page.locator('body').innerText() }));
} finally {
  await browser.close();
}
