package browsertest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/docs"
	"github.com/orgbridge/orgbridge/internal/e2e"
)

// A person with nothing but the page, and the token that the demo prints, connects and syncs: the examples are good as they stand there.
func TestSwaggerUIGetsFromNothingToASync(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	demo := e2e.Start(t, append(os.Environ(), "ORGBRIDGE_ADDR=127.0.0.1:0"), e2e.Program(t, e2e.Build{}, "orgbridge"), "demo")
	token, page := demo.Word("Token:   "), demo.Word("Swagger: ")

	b.do(chromedp.Navigate(page), chromedp.WaitVisible(chromedp.CSS(".opblock-tag-section")))
	shown := run(b, chromedp.Evaluate[map[string]int](`Object.fromEntries([...document.querySelectorAll(".opblock-tag-section")].map(
		section => [section.querySelector(".opblock-tag").dataset.tag, section.querySelectorAll(".opblock").length]))`))
	if diff := cmp.Diff(operationsByTag(t), shown); diff != "" {
		t.Errorf("operations by tag (-document, +page):\n%s", diff)
	}

	b.do(chromedp.Click(chromedp.CSS(".auth-wrapper .authorize")),
		chromedp.SendKeys(chromedp.CSS(".auth-container input"), token),
		chromedp.Click(chromedp.CSS(".auth-btn-wrapper .authorize")),
		chromedp.Click(chromedp.CSS(".auth-btn-wrapper .btn-done")))
	for _, call := range []struct{ operation, status, body string }{
		{"Access-getMe", "200", `"role": "admin"`},
		{"Integration-connectIntegration", "201", `"status": "connected"`},
		{"Mappings-listMappings", "200", `"nextCursor"`},
		{"Syncs-startSync", "20", `"kind": "`}, // that of the initial one, if it has not ended
	} {
		if status, body := b.tryOut(call.operation); !strings.HasPrefix(status, call.status) || !strings.Contains(body, call.body) {
			t.Errorf("%s: %s %s", call.operation, status, body)
		}
	}
	b.keep("swagger-ui.png")
	if errors := b.heard(); len(errors) > 0 {
		t.Errorf("the console says: %q", errors)
	}
}

func operationsByTag(t *testing.T) map[string]int {
	t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(docs.OpenAPI(), &document); err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, item := range document.Paths {
		for method, text := range item {
			var operation struct {
				Tags []string `json:"tags"`
			}
			if method == "servers" {
				continue
			}
			if err := json.Unmarshal(text, &operation); err != nil {
				t.Fatal(err)
			}
			for _, tag := range operation.Tags {
				count[tag]++
			}
		}
	}
	return count
}

// tryOut opens an operation, executes it with what the page has filled in, and returns the status and the body of the answer.
func (b *browser) tryOut(operation string) (status, body string) {
	b.t.Helper()
	in := func(selector string) chromedp.CSS {
		return chromedp.CSS(fmt.Sprintf("#operations-%s %s", operation, selector))
	}
	b.do(chromedp.Click(in(".opblock-summary-control")), chromedp.Click(in(".try-out__btn")), chromedp.Click(in(".execute")),
		chromedp.WaitVisible(in(".live-responses-table .response-col_status")))
	status = run(b, chromedp.TextContent(in(".live-responses-table .response .response-col_status")))
	body = run(b, chromedp.TextContent(in(".live-responses-table .response .response-col_description")))
	return status, body
}
