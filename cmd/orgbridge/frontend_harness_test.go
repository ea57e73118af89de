package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/schedule"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// frontend plays the calls of the screens and keeps those that docs/frontend.md shows.
type frontend struct {
	*guide

	glue     *itgluetest.Server
	viewer   string // a token
	moments  []moment
	examples []example
}

// moment is when a scene began, or a step of it.
type moment struct {
	at    time.Time
	scene int
	step  int
}

// example is one call and its answer, as they went over the wire.
type example struct {
	moment
	name    string
	method  string
	path    string
	request []byte
	lastID  string
	status  int
	header  http.Header
	answer  []byte
}

// newFrontend starts the program without workers, so that the first sync is seen waiting. [frontend.work] starts them.
func newFrontend(t *testing.T) *frontend {
	t.Helper()
	s := &e2e.Site{T: t, Database: storetest.SQLiteURL(t)}
	us := itgluetest.StartTB(t, itgluetest.WithKey(e2e.SimKey))
	eu := itgluetest.StartTB(t, itgluetest.WithKey(europeanKey))
	s.Env = []string{
		"ORGBRIDGE_ADDR=127.0.0.1:0", "ORGBRIDGE_DATABASE_URL=" + s.Database, "ORGBRIDGE_ITGLUE_US_URL=" + us.URL,
		"ORGBRIDGE_ITGLUE_EU_URL=" + eu.URL, "ORGBRIDGE_ITGLUE_AU_URL=http://127.0.0.1:1",
	}
	f := &frontend{guide: &guide{Site: s, org: map[string]string{}}, glue: us.Server}
	account := s.CLI("account", "create", "Lighthouse IT Services")
	token := s.CLI("token", "create", "--account", account, "--role", "admin", "--name", "Web app")
	f.viewer = s.CLI("token", "create", "--account", account, "--role", "viewer", "--name", "Dashboard")
	f.server = s.Serve("--no-workers")
	f.c = f.server.Client(token)
	return f
}

// begin begins a screen of the document.
func (f *frontend) begin() {
	next := moment{at: time.Now()}
	if n := len(f.moments); n > 0 {
		next.scene = f.moments[n-1].scene + 1
	}
	f.moments = append(f.moments, next)
}

// show makes a call, keeps it as an example under the name, and returns its answer.
func (f *frontend) show(name, method, path string, body any, status int) (answer answerView) {
	f.T.Helper()
	e := example{name: name, method: method, path: path, moment: f.step()}
	if body != nil {
		e.request = marshal(f.T, body)
	}
	request, err := http.NewRequestWithContext(f.T.Context(), method, f.c.Base+path, bytes.NewReader(e.request))
	if err != nil {
		f.T.Fatal(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if f.c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+f.c.Token)
	}
	response, err := (&http.Client{Timeout: e2e.Patience}).Do(request)
	if err != nil {
		f.T.Fatal(err)
	}
	defer response.Body.Close()
	e.status, e.header = response.StatusCode, response.Header
	if e.answer, err = io.ReadAll(response.Body); err != nil {
		f.T.Fatal(err)
	}
	if e.status != status {
		f.T.Fatalf("%s: %s %s: status %d instead of %d: %s", name, method, path, e.status, status, e.answer)
	}
	if len(e.answer) > 0 && e.answer[0] == '{' {
		if err := json.Unmarshal(e.answer, &answer); err != nil {
			f.T.Fatalf("%s: %v: %s", name, err, e.answer)
		}
	}
	f.examples = append(f.examples, e)
	return answer
}

// follow opens a stream and waits for its first message. The function that it returns waits for one of the kind, unless the first is, and
// keeps both as an example under the name.
func (f *frontend) follow(name, path, lastID string) (until func(kind string)) {
	f.T.Helper()
	e := example{name: name, method: http.MethodGet, path: path, lastID: lastID, status: http.StatusOK, moment: f.step()}
	stream := f.c.Follow(path, lastID)
	e.header = stream.Answer.Header
	next := func() e2e.Message {
		var data json.RawMessage
		m, err := stream.NextData(&data)
		if err != nil {
			f.T.Fatalf("%s: %v", name, err)
		}
		return m
	}
	first := next()
	return func(kind string) {
		f.T.Helper()
		last := first
		for last.Event != kind {
			last = next()
		}
		stream.Close()
		e.answer = block(first)
		if last != first {
			e.answer = slices.Concat(e.answer, []byte("\n\n…\n\n"), block(last))
		}
		f.examples = append(f.examples, e)
	}
}

// block is a message as it went over the wire, with a tag that does not differ.
func block(m e2e.Message) []byte {
	var lines []string
	if m.Event != "" {
		lines = append(lines, "event: "+m.Event)
	}
	lines = append(lines, "id: "+tagPattern.ReplaceAllString(m.ID, "TAG"), "data: "+m.Data)
	return []byte(strings.Join(lines, "\n"))
}

// step begins the next step of the scene: what happens from here on happened then.
func (f *frontend) step() moment {
	last := f.moments[len(f.moments)-1]
	next := moment{at: time.Now(), scene: last.scene, step: last.step + 1}
	f.moments = append(f.moments, next)
	return next
}

// answerView is what the play needs of answers to go on.
type answerView struct {
	ID         string `json:"id"`
	NextCursor string `json:"nextCursor"`
	Items      []struct {
		Sequence int `json:"sequence"`
	} `json:"items"`
}

func marshal(tb testing.TB, body any) []byte {
	tb.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// hold has the next sync wait for IT Glue's second page until the returned function is called. The first one takes so long that its
// arrival is told.
func (f *frontend) hold() (release func()) {
	gate := make(chan struct{})
	f.glue.Inject(itgluetest.Fault{
		Kind: itgluetest.FaultDelay, Path: "/organizations", Page: 1, MinPageSize: 1000, Delay: 1500 * time.Millisecond, Times: 1,
	})
	remove := f.glue.Inject(itgluetest.Fault{
		Kind: itgluetest.FaultCall, Path: "/organizations", Page: 2, MinPageSize: 1000, Do: func() { <-gate },
	})
	return func() {
		remove()
		close(gate)
	}
}

// steady gives the values that differ from run to run others that do not: ids by the scene that first shows them and their place in
// it, times by the step that they fall into.
type steady struct {
	ids     map[string]string
	counts  map[int]int
	moments []moment
	cursors []string
}

var (
	uuidPattern      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	timePattern      = regexp.MustCompile(`"(\w+)":"(\d{4}-\d\d-\d\dT[\d:.]+Z)"`)
	requestIDPattern = regexp.MustCompile(`"requestId":"[^"]*"`)
	tagPattern       = regexp.MustCompile(`^[\w-]{24}$`)
	dataPattern      = regexp.MustCompile(`(?m)^data: (.*)$`)
	cursorPattern    = regexp.MustCompile(`"nextCursor":"([^"]*)"`)
	secretPattern    = regexp.MustCompile(`"secret":"orgb_[^"]*"`)
	hintPattern      = regexp.MustCompile(`"hint":"orgb_[^"]*"`)
	nextRunPattern   = regexp.MustCompile(`"timeZone":"([^"]*)","time":"([^"]*)","nextRunAt":"([^"]*)"`)
)

// firstDay is when the story of the document begins.
func firstDay() time.Time { return time.Date(2026, time.January, 31, 9, 0, 0, 0, time.UTC) }

// example replaces what differs in a text of the example.
func (s *steady) text(e example, text string) string {
	text = requestIDPattern.ReplaceAllString(text, `"requestId":"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`)
	text = secretPattern.ReplaceAllString(text, `"secret":"orgb_c5jr4kq2v7n3x6m5b2w7t4y3z6a5d2f7g4h3jq5a"`)
	text = hintPattern.ReplaceAllString(text, `"hint":"orgb_c5jr"`)
	for _, found := range cursorPattern.FindAllStringSubmatch(text, -1) {
		s.cursors = append(s.cursors, found[1])
	}
	for _, cursor := range s.cursors {
		text = strings.ReplaceAll(text, cursor, "CURSOR")
	}
	text = nextRunPattern.ReplaceAllStringFunc(text, nextRun)
	text = timePattern.ReplaceAllStringFunc(text, s.time)
	return uuidPattern.ReplaceAllStringFunc(text, func(id string) string { return s.id(e.scene, id) })
}

func (s *steady) id(scene int, id string) string {
	if strings.HasPrefix(id, "0198c5d0-") {
		return id // made up already
	}
	if s.ids[id] == "" {
		s.counts[scene]++
		s.ids[id] = fmt.Sprintf("0198c5d0-%04d-7000-8000-%012d", scene, s.counts[scene])
	}
	return s.ids[id]
}

func (s *steady) time(field string) string {
	parts := timePattern.FindStringSubmatch(field)
	at, err := time.Parse(time.RFC3339, parts[2])
	if err != nil || parts[1] == "nextRunAt" || parts[1] == "expiresAt" { // which are made up already
		return field
	}
	step, _ := slices.BinarySearchFunc(s.moments, at, func(m moment, at time.Time) int { return m.at.Compare(at) })
	m := s.moments[max(0, step-1)]
	// A sync takes its time.
	delay := map[string]int{"startedAt": 1, "listedAt": 2, "lastSyncedAt": 2, "finishedAt": 3}[parts[1]]
	shown := firstDay().Add(time.Duration(m.scene*600+m.step*10+delay) * time.Second)
	return fmt.Sprintf("%q:%q", parts[1], shown.Format(time.RFC3339))
}

// nextRun is the next daily sync as the first day of the story saw it.
func nextRun(field string) string {
	parts := nextRunPattern.FindStringSubmatch(field)
	daily, err := schedule.New(parts[1], parts[2])
	if err != nil {
		return field
	}
	next := daily.Next("", firstDay()).At
	return strings.Replace(field, parts[3], next.Format(time.RFC3339), 1)
}

// rendered is the example as the document shows it: whole, or with the named fields of the answer alone.
func (e example) rendered(s *steady, fields []string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "```http\n%s /api/v1%s\n", e.method, s.text(e, e.path))
	if e.lastID != "" {
		fmt.Fprintf(&out, "Last-Event-ID: %s\n", e.lastID)
	}
	if e.request != nil {
		fmt.Fprintf(&out, "\n%s\n", pretty(s.text(e, string(e.request))))
	}
	fmt.Fprintf(&out, "```\n\n```http\nHTTP/1.1 %d %s\n", e.status, http.StatusText(e.status))
	for _, name := range []string{"Location", "Retry-After", "WWW-Authenticate"} {
		if value := e.header.Get(name); value != "" {
			fmt.Fprintf(&out, "%s: %s\n", name, s.text(e, value))
		}
	}
	if len(e.answer) > 0 {
		text := s.text(e, strings.TrimSpace(string(e.answer)))
		if e.header.Get("Content-Type") == "text/event-stream" {
			text = shortStream(text, fields)
		} else {
			text = shortened(text, fields)
		}
		fmt.Fprintf(&out, "Content-Type: %s\n\n%s\n", e.header.Get("Content-Type"), text)
	}
	out.WriteString("```\n")
	return out.String()
}

// shortStream is the text of a stream with the data on one line, with dots for the fields that are not named.
func shortStream(text string, fields []string) string {
	return dataPattern.ReplaceAllStringFunc(text, func(line string) string {
		data := strings.TrimPrefix(line, "data: ")
		var all map[string]json.RawMessage
		if len(fields) == 0 || json.Unmarshal([]byte(data), &all) != nil {
			return "data: " + onOneLine(data)
		}
		var out strings.Builder
		for _, field := range fields {
			fmt.Fprintf(&out, " %q: %s, …", field, onOneLine(string(all[field])))
		}
		return "data: {…" + out.String() + "}"
	})
}

// shortened is pretty JSON with dots for the fields that are not named; all are shown when none is.
func shortened(text string, fields []string) string {
	var all map[string]json.RawMessage
	if len(fields) == 0 || json.Unmarshal([]byte(text), &all) != nil {
		return pretty(text)
	}
	var out strings.Builder
	out.WriteString("{\n  …\n")
	for _, field := range fields {
		value := "there is no such field"
		if raw, ok := all[field]; ok {
			value = strings.ReplaceAll(pretty(string(raw)), "\n", "\n  ")
		}
		fmt.Fprintf(&out, "  %q: %s\n  …\n", field, value)
	}
	return out.String() + "}"
}

// pretty writes JSON with what fits on a line on one.
func pretty(text string) string {
	const width = 110
	var write func(out *strings.Builder, text, indent string)
	write = func(out *strings.Builder, text, indent string) {
		one := onOneLine(text)
		if len(one)+len(indent) <= width || one[0] != '{' && one[0] != '[' {
			out.WriteString(one)
			return
		}
		inner := indent + "  "
		decoder := json.NewDecoder(strings.NewReader(text))
		open, _ := decoder.Token() // a delimiter: see above
		fmt.Fprintf(out, "%s\n", open)
		for first := true; decoder.More(); first = false {
			if !first {
				out.WriteString(",\n")
			}
			out.WriteString(inner)
			if one[0] == '{' {
				name, _ := decoder.Token()
				fmt.Fprintf(out, "%q: ", name)
			}
			var value json.RawMessage
			_ = decoder.Decode(&value) // JSON has been read before
			write(out, string(value), inner)
		}
		fmt.Fprintf(out, "\n%s%c", indent, one[len(one)-1])
	}
	var out strings.Builder
	write(&out, text, "")
	return out.String()
}

// onOneLine writes JSON on one line, with a space behind commas and colons, and with nothing escaped for HTML.
func onOneLine(text string) string {
	var compact bytes.Buffer
	_ = json.Compact(&compact, []byte(text)) // JSON has been read before
	var out strings.Builder
	inString := false
	for i, b := range compact.Bytes() {
		out.WriteByte(b)
		switch {
		case b == '"' && compact.Bytes()[max(0, i-1)] != '\\':
			inString = !inString
		case !inString && (b == ',' || b == ':'):
			out.WriteByte(' ')
		}
	}
	return strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(out.String())
}
