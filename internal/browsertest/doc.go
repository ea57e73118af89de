// Package browsertest looks at the program with a browser, Debian's Chromium without a window: at Swagger UI, and from a page of another
// origin, as a separate single-page app does. Without a Chromium its tests are skipped; with ORGBRIDGE_TEST_CHROMIUM=require they fail.
// What is to be looked at afterwards is kept in ORGBRIDGE_TEST_ARTIFACTS, or else in orgbridge-artifacts in the directory for temporary
// files.
package browsertest
