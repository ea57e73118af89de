package contract

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const streamMediaType = "text/event-stream"

// streamed is the schema of the data of each stream's messages, which OpenAPI 3.1 has no words for.
func streamed(operationID string) string {
	return map[string]string{"streamEvents": "Event", "streamSync": "Sync"}[operationID]
}

// checkStream looks at all messages of a stream, of which the last may be cut off.
func (c *Contract) checkStream(operationID string, a Answer) error {
	if got := a.Header.Get("Content-Type"); got != streamMediaType {
		return fmt.Errorf("Content-Type %q", got)
	}
	schema := c.strict.Components.Schemas[streamed(operationID)]
	if schema == nil {
		return fmt.Errorf("nobody has said what %s streams", operationID)
	}
	messages := strings.Split(a.Body, "\n\n")
	for _, message := range messages[:len(messages)-1] {
		for line := range strings.SplitSeq(message, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "", "id", "event", "retry":
			case "data":
				var data any
				if err := json.Unmarshal([]byte(value), &data); err != nil {
					return err
				}
				if err := schema.Value.VisitJSON(data, openapi3.EnableJSONSchema2020()); err != nil {
					return err
				}
			default:
				return fmt.Errorf("a line of no stream: %q", line)
			}
		}
	}
	return nil
}
