// Calls a tool many times in a row with the HTTP client of the JDK. By default the client requests an upgrade to h2c
// with every request over plain HTTP. Arguments: the endpoint and the number of calls. The token is in TOKEN.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

public final class Calls {
    private static final String BODY = """
            {"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"who_am_i","arguments":{}}}""";

    public static void main(String[] arguments) throws Exception {
        var endpoint = URI.create(arguments[0]);
        var calls = Integer.parseInt(arguments[1]);
        var client = HttpClient.newHttpClient();
        var failed = 0;
        for (var call = 0; call < calls; call++) {
            var request = HttpRequest.newBuilder(endpoint)
                    .header("Authorization", "Bearer " + System.getenv("TOKEN"))
                    .header("Content-Type", "application/json")
                    .header("Accept", "application/json, text/event-stream")
                    .POST(BodyPublishers.ofString(BODY.formatted(call)))
                    .build();
            try {
                var answer = client.send(request, BodyHandlers.ofString());
                if (answer.statusCode() != 200 || !answer.body().contains("\"id\":" + call + ",\"result\"")) {
                    throw new IllegalStateException(answer.statusCode() + " " + answer.body());
                }
            } catch (Exception error) {
                failed++;
                System.err.println("call " + call + ": " + error);
            }
        }
        System.out.println(failed + " of " + calls + " failed");
    }
}
