package securitytest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"golang.org/x/net/http/httpguts"
	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/internal/contract"
	"github.com/orgbridge/orgbridge/internal/e2e"
)

// Fuzzer makes requests at random out of the document that a server serves, and compares the answers with it. It remembers what it was
// told, ids and cursors and tags, and uses it in later requests.
type Fuzzer struct {
	// Tokens are those to use, the first one most often; with "" there is none. Operator is the token for what operators do.
	Tokens   []string
	Operator string
	// Secret must be in no answer. It is the key of the simulated IT Glue as well.
	Secret string
	// Staged are syncs that something can be decided about, which random requests alone hardly ever bring about. Some requests are about
	// one of them.
	Staged []Staged

	server     string
	document   *contract.Contract
	operations []operation
	onSyncs    []operation // those that take the id of a sync
	client     *http.Client

	known  map[string][]string // by the name of what takes it
	spared []string            // never to be used
	Counts Counts
}

// Staged is a sync, and a token of the account that it is of.
type Staged struct{ Token, SyncID string }

// Counts is what came of the requests.
type Counts struct {
	Requests int
	ByStatus map[int]int
	// Served are the successes of each operation.
	Served map[string]int
}

type operation struct {
	method, path string
	*openapi3.Operation
}

// request is one request as it is sent.
type request struct {
	op     operation
	method string
	target string // path and query
	header http.Header
	body   string
	// fine tells that there is nothing wrong with its form.
	fine bool
}

// NewFuzzer reads the document of a server.
func NewFuzzer(s *e2e.Server, secret, operator string, tokens ...string) (*Fuzzer, error) {
	f := &Fuzzer{
		Tokens: append(tokens, operator), Operator: operator, Secret: secret, server: s.Address, known: map[string][]string{},
		client: &http.Client{
			Timeout: e2e.Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Counts: Counts{ByStatus: map[int]int{}, Served: map[string]int{}},
	}
	answer, err := f.send(context.Background(), request{method: http.MethodGet, target: "/openapi.json"})
	if err != nil {
		return nil, err
	}
	if f.document, err = contract.Load([]byte(answer.Body)); err != nil {
		return nil, err
	}
	items := f.document.Published.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(items)) {
		prefix := f.document.Published.Servers[0].URL
		if len(items[path].Servers) > 0 {
			prefix = ""
		}
		byMethod := items[path].Operations()
		for _, method := range slices.Sorted(maps.Keys(byMethod)) {
			op := operation{method: method, path: prefix + path, Operation: byMethod[method]}
			f.operations = append(f.operations, op)
			if strings.Contains(path, "{syncId}") {
				f.onSyncs = append(f.onSyncs, op)
			}
		}
	}
	return f, nil
}

// Spare has the fuzzer never use an id: it could revoke its own token.
func (f *Fuzzer) Spare(id string) { f.spared = append(f.spared, id) }

// Operations are the ids of all operations of the document.
func (f *Fuzzer) Operations() []string {
	out := make([]string, 0, len(f.operations))
	for _, op := range f.operations {
		out = append(out, op.OperationID)
	}
	return out
}

// Step makes one request and tells what is wrong with the answer, and how to have it again; nil when nothing is.
func (f *Fuzzer) Step(rt *rapid.T) error {
	r := f.draw(rt)
	answer, err := f.send(rt.Context(), r)
	if err == nil {
		err = f.judge(r, answer)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, r.curl(f.server))
	}
	f.learn(r, answer)
	return nil
}

func (f *Fuzzer) send(ctx context.Context, r request) (contract.Answer, error) {
	sent, err := http.NewRequestWithContext(ctx, r.method, f.server, bytes.NewReader([]byte(r.body)))
	if err != nil {
		return contract.Answer{}, err
	}
	path, query, _ := strings.Cut(r.target, "?")
	sent.URL.Opaque, sent.URL.RawQuery = path, query // exactly as it is
	sent.Header = r.header.Clone()
	response, err := f.client.Do(sent)
	if err != nil {
		return contract.Answer{}, err
	}
	defer response.Body.Close()
	body, err := e2e.ReadSome(response)
	return contract.Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)}, err
}

// judge tells what is wrong with an answer.
func (f *Fuzzer) judge(r request, a contract.Answer) error {
	told := func(format string, args ...any) error {
		return fmt.Errorf("%s, answered with %d %.500s", fmt.Sprintf(format, args...), a.Status, a.Body)
	}
	formal := []int{400, 401, 403, 405, 406, 408, 413, 414, 415, 431}
	switch {
	case a.Status == http.StatusInternalServerError:
		return told("an internal error")
	case r.fine && slices.Contains(formal, a.Status):
		return told("there is nothing wrong with the form of the request")
	case strings.Contains(a.Body+fmt.Sprint(a.Header), f.Secret):
		return told("the secret is told")
	case a.Header.Get("X-Request-ID") == "" || a.Header.Get("Cache-Control") != "no-store":
		return told("headers are missing: %v", a.Header)
	}
	u, err := url.ParseRequestURI(r.target)
	if err == nil { // else it is no address that the document could speak of
		err = f.document.Check((&http.Request{
			Method: r.method, URL: u, Header: r.header.Clone(), Body: io.NopCloser(strings.NewReader(r.body)), ContentLength: int64(len(r.body)),
		}).WithContext(context.Background()), a)
		if err != nil {
			return told("not as documented: %v", err)
		}
	}
	return nil
}

// learn remembers what can be used later.
func (f *Fuzzer) learn(r request, a contract.Answer) {
	f.Counts.Requests++
	f.Counts.ByStatus[a.Status]++
	if a.Status >= http.StatusMultipleChoices {
		return
	}
	if r.method == r.op.method {
		f.Counts.Served[r.op.OperationID]++
	}
	f.remember("If-Match", a.Header.Get("ETag"))
	var body any
	if json.Unmarshal([]byte(a.Body), &body) == nil {
		f.gather(body, strings.TrimPrefix(r.op.path, "/api/v1/"))
	}
}

// gather finds ids and cursors in an answer. What an id is of is told by the member that it is in, else by the path.
func (f *Fuzzer) gather(v any, of string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			f.gather(item, of)
		}
	case map[string]any:
		for name, value := range v {
			text, isText := value.(string)
			switch {
			case name == "nextCursor" && isText:
				f.remember("cursor", text)
			case name == "id" && isText:
				f.remember(kindOfID(of), text)
			case isText && strings.HasSuffix(name, "Id"):
				f.remember(name, text)
			case !isText && name == "items":
				f.gather(value, of)
			case !isText:
				f.gather(value, name)
			}
		}
	}
}

// kindOfID is the name of the parameter that takes the ids found there.
func kindOfID(of string) string {
	switch {
	case strings.HasPrefix(of, "integrations/itglue/organizations"), strings.HasPrefix(of, "itglue"), of == "candidates":
		return "itglueId"
	case strings.HasPrefix(of, "syncs"), strings.HasSuffix(of, "Sync"):
		return "syncId"
	case strings.HasSuffix(of, "tokens"):
		return "tokenId"
	case strings.HasPrefix(of, "account"):
		return "accountId"
	case strings.HasPrefix(of, "organization"), strings.HasPrefix(of, "mappings"):
		return "organizationId"
	default:
		return strings.TrimSuffix(of, "s") + "Id"
	}
}

// remember keeps the last few of a kind.
func (f *Fuzzer) remember(kind, value string) {
	const few = 20
	if value == "" || slices.Contains(f.known[kind], value) || slices.Contains(f.spared, value) {
		return
	}
	f.known[kind] = append(f.known[kind], value)
	if n := len(f.known[kind]); n > few {
		f.known[kind] = f.known[kind][n-few:]
	}
}

// curl is a command that repeats the request.
func (r request) curl(server string) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	line := []string{"curl -isS --path-as-is -X", r.method, quote(server + r.target)}
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		for _, value := range r.header[name] {
			line = append(line, "-H", quote(name+": "+value))
		}
	}
	if r.body != "" {
		line = append(line, "--data-binary", "$"+quote(strings.Trim(fmt.Sprintf("%q", r.body), `"`)))
	}
	return strings.Join(line, " ")
}

// fit makes a text one that can be sent in a header.
func fit(value string) string {
	if httpguts.ValidHeaderFieldValue(value) {
		return strings.TrimSpace(value)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, value)
}

// later is a time that no answer holds.
func later() string { return time.Now().Add(time.Hour).UTC().Format(time.RFC3339) }
