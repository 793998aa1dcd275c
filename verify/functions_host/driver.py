"""The calls that the Functions host makes of a custom handler, made with the .NET classes that it makes them with.

Runs in an environment of its own (dotnet.py): a line of JSON on stdin is one call, a line on stdout its outcome. Calls run
side by side. Nothing else runs in this process: Python and .NET wait for each other here.

What is done with the classes follows DefaultHttpWorkerService, HttpRequestExtensions and
HttpScriptInvocationContextExtensions of Azure/azure-functions-host, which nothing on PyPI holds.
"""

import base64
import json
import pathlib
import sys
import threading
import time

import pythonnet

pythonnet.load("coreclr")
import clr

LIBRARIES = pathlib.Path(sys.argv[1])
for name in ("Newtonsoft.Json", "System.Net.Http.Formatting", "Microsoft.AspNetCore.Http", "Microsoft.AspNetCore.Http.Abstractions",
             "Microsoft.AspNetCore.Http.Extensions", "Microsoft.AspNetCore.Http.Features", "Microsoft.AspNetCore.WebUtilities",
             "Microsoft.Extensions.Primitives"):
    clr.AddReference(str(LIBRARIES / name))
for name in ("System.Net.Http", "System.Reflection.Emit"):
    clr.AddReference(name)

from Microsoft.AspNetCore.Http import DefaultHttpContext, HostString, PathString, QueryString
from Microsoft.AspNetCore.Http.Extensions import UriHelper
from Microsoft.AspNetCore.WebUtilities import QueryHelpers
from Microsoft.Extensions.Primitives import StringValues
from Newtonsoft.Json import DateParseHandling, JsonTextReader
from Newtonsoft.Json.Linq import JObject, JToken
from System import Array, Byte, Object, String, TimeSpan, Uri, UriBuilder
from System.Collections.Generic import Dictionary, IDictionary, List
from System.IO import MemoryStream, StringReader
from System.Net.Http import (HttpClient, HttpClientHandler, HttpContentExtensions, HttpMethod, HttpRequestMessage, ObjectContent,
                             StreamContent)
from System.Net.Http.Formatting import JsonMediaTypeFormatter
from System.Reflection import AssemblyName, FieldAttributes, TypeAttributes
from System.Reflection.Emit import AssemblyBuilder, AssemblyBuilderAccess

VERSION = "4.1037.0.0"
#: WorkerConstants: how often the host asks whether the handler is up, and for how long.
ASK_EVERY = 0.025
READY_WITHIN = 30


def result_type():
    """The class that the host reads the answer to an invocation into."""
    assembly = AssemblyBuilder.DefineDynamicAssembly(AssemblyName("Host"), AssemblyBuilderAccess.Run)
    made = assembly.DefineDynamicModule("Host").DefineType("HttpScriptInvocationResult", TypeAttributes.Public)
    for field, kind in (("ReturnValue", Object), ("Outputs", IDictionary[String, Object]), ("Logs", List[String])):
        made.DefineField(field, clr.GetClrType(kind), FieldAttributes.Public)
    return made.CreateType()


RESULT = result_type()


class Fault(Exception):
    """What the host would catch: the names of the .NET exceptions from the outermost to the innermost, and the words."""

    def __init__(self, exception):
        self.names, self.words = [], []
        while exception is not None:
            self.names.append(exception.GetType().FullName)
            self.words.append(exception.Message)
            exception = exception.InnerException
        super().__init__(": ".join(self.words))


def outcome(task):
    """Waits without holding up the other calls."""
    while not task.IsCompleted:
        time.sleep(0.001)
    if task.IsFaulted:
        raise Fault(task.Exception.InnerException)
    if task.IsCanceled:
        raise TimeoutError("the client's time is up")
    return task.GetType().GetProperty("Result").GetValue(task)


def client(seconds):
    handler = HttpClientHandler()
    handler.AllowAutoRedirect = handler.UseCookies = handler.UseProxy = False
    made = HttpClient(handler)
    made.Timeout = TimeSpan.FromSeconds(seconds)
    return made


CLIENT = client(float(sys.argv[2]))


def uri(port, path=""):
    return UriBuilder("http", "127.0.0.1", port, path).ToString()


def send(request, invocation):
    request.Headers.Add("X-Azure-Functions-HostVersion", VERSION)
    request.Headers.Add("X-Azure-Functions-InvocationId", invocation)
    request.Headers.UserAgent.ParseAdd(f"Azure-Functions-Host/{VERSION}")
    return outcome(CLIENT.SendAsync(request))


def ping(port):
    request = HttpRequestMessage()
    request.RequestUri = Uri(uri(port))
    return int(outcome(CLIENT.SendAsync(request)).StatusCode)


def ready(port):
    """IsWorkerReady"""
    began, asked = time.monotonic(), 0
    while time.monotonic() - began < READY_WITHIN:
        asked += 1
        try:
            ping(port)
        except Fault as fault:
            if "System.Net.Sockets.SocketException" in fault.names[1:]:
                time.sleep(ASK_EVERY)
                continue
        return {"ready": True, "asked": asked, "seconds": time.monotonic() - began}
    return {"ready": False, "asked": asked, "seconds": time.monotonic() - began}


def parsed(text):
    reader = JsonTextReader(StringReader(text))
    reader.DateParseHandling = getattr(DateParseHandling, "None")
    return JToken.ReadFrom(reader)


def invoke(port, function, invocation, body):
    """ProcessDefaultInvocationRequest: what is not forwarded, timers among it"""
    request = HttpRequestMessage()
    request.RequestUri = Uri(uri(port, function))
    request.Method = HttpMethod.Post
    request.Content = ObjectContent(clr.GetClrType(JObject), parsed(json.dumps(body)), JsonMediaTypeFormatter())
    response = send(request, invocation)
    seen = {"status": int(response.StatusCode), "type": str(response.Content.Headers.ContentType),
            "body": outcome(response.Content.ReadAsStringAsync())}
    try:
        response.EnsureSuccessStatusCode()
        result = outcome(HttpContentExtensions.ReadAsAsync(response.Content, RESULT))
    except Exception as error:
        return seen | {"invocation": "failed", "because": str(error).splitlines()[0]}
    if result is None:
        return seen | {"invocation": "hangs"}
    logs = RESULT.GetField("Logs").GetValue(result)
    return seen | {"invocation": "succeeded", "logs": list(logs or [])}


def bytes_of(body):
    """The bytes of a body: text, base64, or many of one character between two texts."""
    if "fill" not in body:
        data = body["text"].encode() if "text" in body else base64.b64decode(body["base64"])
        return Array[Byte](data)
    before, after = body["before"].encode(), body["after"].encode()
    made = Array.CreateInstance(clr.GetClrType(Byte), len(before) + body["count"] + len(after))
    Array.Fill[Byte](made, ord(body["fill"]))
    Array.Copy(Array[Byte](before), 0, made, 0, len(before))
    Array.Copy(Array[Byte](after), 0, made, len(before) + body["count"], len(after))
    return made


def received(method, target, headers, body):
    """A caller's request as ASP.NET gives it to the host."""
    request = DefaultHttpContext().Request
    path, _, query = target.partition("?")
    request.Method, request.Scheme, request.Host = method, "https", HostString("app.azurewebsites.net")
    request.Path, request.QueryString = PathString.FromUriComponent(path), QueryString(f"?{query}" if query else "")
    request.Headers["Host"] = StringValues("app.azurewebsites.net")
    for name, value in headers.items():
        request.Headers[name] = StringValues(value)
    if body is not None:
        content = bytes_of(body)
        request.Body, request.ContentLength = MemoryStream(content), content.Length
    elif method != "GET":
        request.ContentLength = 0
    return request


def forward(port, method, target, invocation, headers, body=None):
    """ProcessHttpInAndOutInvocationRequest with enableForwardingHttpRequest"""
    request = received(method, target, headers, body)
    query = Dictionary[String, String]()
    for key in request.Query.Keys:
        query.Add(key, request.Query[key].ToString())
    message = HttpRequestMessage()
    path = Uri(UriHelper.GetDisplayUrl(request)).AbsolutePath
    message.RequestUri = Uri(QueryHelpers.AddQueryString(uri(port, path), query))
    lost = [header.Key for header in request.Headers
            if not message.Headers.TryAddWithoutValidation(header.Key, header.Value.ToArray())]
    message.Method = HttpMethod(request.Method)
    if request.ContentLength and request.ContentLength > 0:
        message.Content = StreamContent(request.Body)
        message.Content.Headers.Add("Content-Length", str(request.ContentLength))
        if request.ContentType:
            message.Content.Headers.Add("Content-Type", request.ContentType)
    response = send(message, invocation)
    both = [*response.Headers, *response.Content.Headers]
    return {"status": int(response.StatusCode), "headers": {header.Key.lower(): ", ".join(header.Value) for header in both},
            "body": outcome(response.Content.ReadAsStringAsync()), "lost": lost, "asked": message.RequestUri.PathAndQuery}


CALLS = {call.__name__: call for call in (ready, ping, invoke, forward)}
OUTPUT = threading.Lock()


def answer(number, call, arguments):
    try:
        found = {"result": CALLS[call](**arguments)}
    except Fault as fault:
        found = {"fault": str(fault)}
    except Exception as error:
        found = {"fault": f"{type(error).__name__}: {error}"}
    with OUTPUT:
        print(json.dumps({"number": number} | found), flush=True)


for line in sys.stdin:
    asked = json.loads(line)
    threading.Thread(target=answer, args=(asked["number"], asked["call"], asked["arguments"]), daemon=True).start()
