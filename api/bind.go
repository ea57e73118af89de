package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-playground/validator/v10"
	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
)

const (
	maxBody  = 1 << 20
	maxDepth = 32
	// maxFaults bounds the answer to a body that is nothing but faults; maxNamed is the longest member name that is told back.
	maxFaults = 100
	maxNamed  = 64
	// maxItems is how many items of an array are read. No rule about how many there may be allows so many.
	maxItems = 1000
)

// The codes of single faults.
const (
	faultRequired     = "required"
	faultUnknownField = "unknown-field"
	faultUnknownParam = "unknown-parameter"
	faultRepeated     = "repeated"
	faultWrongType    = "wrong-type"
	faultTooLong      = "too-long"
	faultOutOfRange   = "out-of-range"
	faultNotOneOf     = "not-one-of"
	faultInvalid      = "invalid"
)

// bind reads the body into a request struct: a pointer to a struct of strings, booleans, integers, structs and slices of these, and
// pointers to them. It is strict and names all faults at once, those that the struct finds in itself included, and never repeats a value
// that was sent: it may be a key.
//
// It answers [errs.UnsupportedMediaType], [errs.PayloadTooLarge], [errs.MalformedBody] for what is not one JSON object without
// duplicate names, and [errs.ValidationFailed] for unknown fields, wrong types and broken rules.
func (s *server) bind(c echo.Context, into any) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	if err := checkSyntax(body); err != nil {
		return err
	}
	f := &faults{}
	if f.fill("", body, reflect.ValueOf(into).Elem()) {
		f.addRules(s.validate.Struct(into))
		if own, ok := into.(interface{ faults() []errs.Field }); ok {
			f.addNew(own.faults())
		}
	}
	return f.err()
}

func readBody(c echo.Context) ([]byte, error) {
	h := c.Request().Header
	mediaType, params, err := mime.ParseMediaType(h.Get(echo.HeaderContentType))
	charset, ok := params["charset"]
	encoding := h.Get(echo.HeaderContentEncoding)
	if err != nil || mediaType != echo.MIMEApplicationJSON || ok && !strings.EqualFold(charset, "utf-8") || encoding != "" {
		return nil, errs.New(errs.UnsupportedMediaType, "The body must be application/json in UTF-8, without a content encoding.")
	}
	return readAll(c)
}

// readAll reads a body of any kind.
func readAll(c echo.Context) ([]byte, error) {
	r := c.Request()
	tooLarge := errs.New(errs.PayloadTooLarge, "The body is larger than %d bytes.", maxBody)
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return body, nil
}

// unreadable is the failure to read a body: it was too slow, cut off, or not framed as HTTP has it.
func unreadable(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errs.New(errs.RequestTimeout, "The body did not arrive in time.").Because(err)
	}
	return errs.New(errs.MalformedBody, "The body could not be read.").Because(err)
}

// withoutBody is for routes that take no body: what is sent in one would be without effect.
func withoutBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if n, err := c.Request().Body.Read(make([]byte, 1)); n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return errs.Invalid(errs.Field{Code: faultUnknownField, Detail: "There is no body in this request."})
		}
		return next(c)
	}
}

// checkSyntax refuses what is not exactly one JSON value as RFC 7493 has it. The decoder's message is not passed on: it quotes the
// body.
func checkSyntax(body []byte) error {
	malformed := func(why string) error {
		return errs.New(errs.MalformedBody, "The body is not well-formed JSON: %s.", why)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return malformed("it is empty")
	}
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for values := 0; ; {
		_, err := d.ReadToken()
		switch {
		case err == io.EOF: //nolint:errorlint // an unexpected end is another error that wraps this one
			return nil
		case errors.Is(err, jsontext.ErrDuplicateName):
			return malformed("a name occurs twice in one object")
		case err != nil:
			return malformed(fmt.Sprintf("there is an error near byte %d", d.InputOffset()))
		case values > 0:
			return malformed("something follows the value")
		case d.StackDepth() > maxDepth:
			return malformed(fmt.Sprintf("it is nested deeper than %d levels", maxDepth))
		case d.StackDepth() == 0:
			values++
		}
	}
}

// sent is a field that only notes that it is there, whatever its value.
type sent bool

// faults collects what is wrong with a request.
type faults struct{ list []errs.Field }

func (f *faults) add(pointer, code, detail string) {
	if len(f.list) < maxFaults {
		f.list = append(f.list, errs.Field{Pointer: pointer, Code: code, Detail: detail})
	}
}

// has tells whether a value, or one that it is in, has a fault.
func (f *faults) has(pointer string) bool {
	for _, known := range f.list {
		if known.Pointer == pointer || known.Pointer != "" && strings.HasPrefix(pointer, known.Pointer+"/") {
			return true
		}
	}
	return false
}

func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	return errs.Invalid(f.list...)
}

// fill sets the fields of a struct from an object whose syntax has been checked, and tells whether it is an object at all. Names are
// compared exactly.
func (f *faults) fill(pointer string, object []byte, into reflect.Value) bool {
	d := jsontext.NewDecoder(bytes.NewReader(object))
	if d.PeekKind() != jsontext.KindBeginObject {
		f.add(pointer, faultWrongType, expected(into.Type()))
		return false
	}
	fields := fieldsOf(into)
	_, _ = d.ReadToken()
	for d.PeekKind() == jsontext.KindString {
		name, _ := d.ReadToken()
		member, known := pointer+pointerTo(name.String()), fields[name.String()]
		value, err := d.ReadValue()
		switch {
		case err != nil: // cannot be, the syntax has been checked
			f.add(member, faultInvalid, "This value cannot be read.")
			return false
		case !known.IsValid():
			f.add(member, faultUnknownField, "There is no such field.")
		default:
			f.set(member, value, known)
		}
	}
	return true
}

// set puts a value into a field. JSON null is no value of any type: a field is left out instead.
func (f *faults) set(pointer string, value jsontext.Value, field reflect.Value) {
	if field.Type() == reflect.TypeFor[sent]() {
		field.SetBool(true)
		return
	}
	if value.Kind() == jsontext.KindNull {
		f.add(pointer, faultWrongType, expected(field.Type()))
		return
	}
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch {
	case field.Kind() == reflect.Struct:
		f.fill(pointer, value, field)
	case field.Kind() == reflect.Slice:
		f.fillAll(pointer, value, field)
	case json.Unmarshal(value, field.Addr().Interface()) != nil:
		f.add(pointer, faultWrongType, expected(field.Type()))
	case field.Kind() == reflect.String && strings.ContainsRune(field.String(), 0):
		f.add(pointer, faultInvalid, "This text must not contain the character NUL.")
	}
}

// fillAll sets the items of a slice from an array.
func (f *faults) fillAll(pointer string, array []byte, into reflect.Value) {
	d := jsontext.NewDecoder(bytes.NewReader(array))
	if d.PeekKind() != jsontext.KindBeginArray {
		f.add(pointer, faultWrongType, expected(into.Type()))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), 0, 0)) // an empty array is not the same as none
	_, _ = d.ReadToken()
	for i := 0; i < maxItems && d.PeekKind() != jsontext.KindEndArray; i++ {
		value, err := d.ReadValue()
		if err != nil { // cannot be, the syntax has been checked
			f.add(pointer, faultInvalid, "This value cannot be read.")
			return
		}
		into.Set(reflect.Append(into, reflect.Zero(into.Type().Elem())))
		f.set(pointer+"/"+strconv.Itoa(i), value, into.Index(i))
	}
}

// addRules adds what the validator found, except for fields that were not understood in the first place.
func (f *faults) addRules(err error) {
	broken, ok := errors.AsType[validator.ValidationErrors](err)
	if !ok {
		return
	}
	for _, b := range broken {
		if pointer := pointerOf(b.Namespace()); !f.has(pointer) {
			code, detail := rule(b)
			f.add(pointer, code, detail)
		}
	}
}

// addNew adds the faults of fields that have none yet.
func (f *faults) addNew(found []errs.Field) {
	for _, fault := range found {
		if !f.has(fault.Pointer) {
			f.add(fault.Pointer, fault.Code, fault.Detail)
		}
	}
}

func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		fields[jsonName(v.Type().Field(i))] = v.Field(i)
	}
	return fields
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// pointerTo is the RFC 6901 pointer to a member of the body; the body itself when the name is too long to be told back, or has a dot:
// then it may be an API key that was pasted into the wrong place.
func pointerTo(name string) string {
	if len(name) > maxNamed || strings.Contains(name, ".") {
		return ""
	}
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// pointerOf is the pointer to what the validator calls "request.items[3].name".
func pointerOf(namespace string) string {
	_, path, _ := strings.Cut(namespace, ".")
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)
}

func expected(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.String:
		return "This must be a string."
	case t.Kind() == reflect.Bool:
		return "This must be true or false."
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "This must be a whole number."
	case t.Kind() == reflect.Struct:
		return "This must be an object."
	case t.Kind() == reflect.Slice:
		return "This must be an array."
	default:
		return "This has the wrong type."
	}
}

// newValidator knows the rules of the request structs: those of the library and our own apikey and itglueid.
func newValidator() (*validator.Validate, error) {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(jsonName)
	return v, errors.Join(
		v.RegisterValidation("apikey", func(l validator.FieldLevel) bool {
			return len(l.Field().String()) <= 500 && only(l.Field().String(), '!', '~')
		}),
		v.RegisterValidation("itglueid", func(l validator.FieldLevel) bool {
			return isITGlueID(l.Field().String())
		}),
	)
}

// isITGlueID tells whether a text can be an id of IT Glue's. To IT Glue, ids are numbers: it would answer for another spelling than was
// asked for.
func isITGlueID(s string) bool { return len(s) <= 20 && only(s, '0', '9') && s[0] != '0' }

// only tells whether a text is not empty and all its characters are in the range.
func only(s string, first, last rune) bool {
	outside := func(r rune) bool { return r < first || r > last }
	return s != "" && !strings.ContainsFunc(s, outside)
}

// limit tells which limit a number, a text or an array does not keep.
func limit(b validator.FieldError) (code, detail string) {
	most := b.Tag() == "max"
	switch {
	case b.Kind() == reflect.String && most:
		return faultTooLong, fmt.Sprintf("This must not be longer than %s characters.", b.Param())
	case b.Kind() == reflect.String:
		return faultRequired, "This field must not be empty."
	case b.Kind() == reflect.Slice && most:
		return faultTooLong, fmt.Sprintf("This must not have more than %s items.", b.Param())
	case b.Kind() == reflect.Slice:
		return faultOutOfRange, fmt.Sprintf("This must have %s items or more.", b.Param())
	case most:
		return faultOutOfRange, fmt.Sprintf("This must be %s or less.", b.Param())
	default:
		return faultOutOfRange, fmt.Sprintf("This must be %s or more.", b.Param())
	}
}

// rule turns a broken rule into a code and a sentence.
func rule(b validator.FieldError) (code, detail string) {
	switch b.Tag() {
	case "required", "required_without":
		return faultRequired, "This field is required."
	case "min", "max":
		return limit(b)
	case "oneof":
		return faultNotOneOf, "This must be one of: " + strings.Join(strings.Fields(b.Param()), ", ") + "."
	case "apikey":
		return faultInvalid, "An API key has 1 to 500 visible ASCII characters and no spaces."
	case "itglueid":
		return faultInvalid, "An IT Glue id is a string of digits, the first of them not 0."
	default:
		return faultInvalid, "This value is not valid."
	}
}
