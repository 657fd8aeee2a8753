// The control socket's lines: encoded requests and answers are decoded, and errors are named.
#include "service/control_protocol.h"

#include <gtest/gtest.h>

namespace zonebridge::service {
namespace {

using Command = ControlRequest::Command;

TEST(ControlProtocol, EncodedRequestsAreDecoded) {
    ControlRequest request;
    request.command = Command::add;
    request.lun = 255;
    request.device = "scsi:/dev/s\"g\\1";
    request.options = {.read_only = true, .translate = false, .force = true, .allow = {"a", "b c"}};
    auto got = parse_request(encode(request).value());
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->command, Command::add);
    EXPECT_EQ(got->lun, 255);
    EXPECT_EQ(got->device, request.device);
    EXPECT_TRUE(got->options.read_only);
    EXPECT_FALSE(got->options.translate);
    EXPECT_TRUE(got->options.force);
    EXPECT_EQ(got->options.allow, request.options.allow);

    request = {};
    request.command = Command::remove;
    request.lun = 3;
    request.removal = Removal::now;
    got = parse_request(encode(request).value());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->removal, Removal::now);
    for (const auto command : {Command::list, Command::refresh}) {
        request = {};
        request.command = command;
        got = parse_request(encode(request).value());
        ASSERT_TRUE(got);
        EXPECT_EQ(got->command, command);
    }
    EXPECT_EQ(parse_request(R"({"version":1,"command":"remove","lun":3})")->removal,
              Removal::announced);
}

TEST(ControlProtocol, ANameThatIsNotUtf8CannotBeEncoded) {
    ControlRequest request;
    request.command = Command::add;
    request.device = "/\xff";
    EXPECT_FALSE(encode(request));
}

TEST(ControlProtocol, InvalidRequestsHaveAReason) {
    const std::pair<const char*, const char*> wrong[] = {
        {R"({"command":"list"})", "'version'"},
        {R"({"version":2,"command":"list"})", "version 1"},
        {R"({"version":0,"command":"list"})", "version 1"},
        {R"({"version":"1","command":"list"})", "'version'"},
        {R"({"version":1})", "'command'"},
        {R"({"version":1,"command":"format"})", "'format'"},
        {R"({"version":1,"command":3})", "'command'"},
        {R"({"version":1,"command":"list","lun":1})", "'lun'"},
        {R"({"version":1,"command":"list","a\u001b[2Jb":1})", "'a?[2Jb'"},
        {R"({"version":1,"command":"refresh"})", "'lun'"},
        {R"({"version":1,"command":"refresh","lun":1,"why":"so"})", "'why'"},
        {R"({"version":1,"command":"refresh","lun":256})", "255"},
        {R"({"version":1,"command":"refresh","lun":-1})", "255"},
        {R"({"version":1,"command":"refresh","lun":1.0})", "255"},
        {R"({"version":1,"command":"refresh","lun":true})", "255"},
        {R"({"version":1,"command":"refresh","lun":18446744073709551617})", "255"},
        {R"({"version":1,"command":"remove","lun":1,"now":1})", "'now'"},
        {R"({"version":1,"command":"add","lun":1})", "'device'"},
        {R"({"version":1,"command":"add","lun":1,"device":"disk.img"})", "absolute"},
        {R"({"version":1,"command":"add","lun":1,"device":"block:sda"})", "absolute"},
        {R"({"version":1,"command":"add","lun":1,"device":""})", "name"},
        {R"({"version":1,"command":"add","lun":1,"device":"x:/y"})", "x:"},
        {R"({"version":1,"command":"add","lun":1,"device":"/a\u0000b"})", "'device'"},
        {R"({"version":1,"command":"add","lun":1,"device":"/a\nb"})", "'device'"},
        {R"({"version":1,"command":"add","lun":1,"device":["/a"]})", "'device'"},
        {R"({"version":1,"command":"add","lun":1,"device":"/a","allow":"x"})", "'allow'"},
        {R"({"version":1,"command":"add","lun":1,"device":"/a","allow":[1]})", "'allow'"},
        {R"({"version":1,"command":"add","lun":1,"device":"/a","read_only":null})", "'read_only'"},
    };
    for (const auto& [line, named] : wrong) {
        const auto request = parse_request(line);
        ASSERT_FALSE(request) << line;
        EXPECT_NE(request.error().message.find(named), std::string::npos)
            << line << "\n"
            << request.error().message;
        EXPECT_FALSE(request.error().hopeless) << line;
    }
}

TEST(ControlProtocol, LinesOfAnotherProtocolAreHopeless) {
    for (const auto& line :
         {std::string(), std::string("list"), std::string("[]"), std::string("7"),
          std::string("null"), std::string(R"({"version":1,"command":"list"} {})"),
          std::string(R"({"version":1,"version":1,"command":"list"})"),
          std::string(R"({"version":1,"command":"list","x":{}})"),
          std::string(R"({"version":1,"command":"add","allow":[[]]})"),
          std::string(R"({"version":1,"command":"li)"), std::string("{\"version\":1,\"\xff\":1}"),
          std::string(60000, '['), std::string("GET / HTTP/1.1\r")}) {
        const auto request = parse_request(line);
        ASSERT_FALSE(request) << line;
        EXPECT_TRUE(request.error().hopeless) << line << request.error().message;
    }
}

TEST(ControlProtocol, DisksWithoutAPathAreAccepted) {
    const auto request =
        parse_request(R"({"version":1,"command":"add","lun":1,"device":"null:1G"})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->device, "null:1G");
}

TEST(ControlProtocol, TheClientDecodesTheServersAnswers) {
    LunTable luns{DiskOptions{}};
    EXPECT_TRUE(check_greeting(control_greeting()));
    ASSERT_TRUE(luns.open(4, "null:1G"));
    auto answer = answer_request(encode({}).value(), luns);
    EXPECT_FALSE(answer.last);
    const auto listed = parse_answer(answer.line);
    ASSERT_TRUE(listed && *listed);
    ASSERT_EQ((*listed)->luns.size(), 1U);
    EXPECT_EQ((*listed)->luns[0].number, 4);
    EXPECT_EQ((*listed)->luns[0].device, "null:1G");
    EXPECT_EQ((*listed)->luns[0].size, 1U << 30);
    EXPECT_EQ((*listed)->luns[0].model, "none");
    EXPECT_FALSE((*listed)->luns[0].size_before);

    ControlRequest request;
    request.command = Command::remove;
    request.lun = 9;
    answer = answer_request(encode(request).value(), luns);
    EXPECT_FALSE(answer.last);
    const auto refused = parse_answer(answer.line);
    ASSERT_TRUE(refused);
    ASSERT_FALSE(*refused);
    EXPECT_NE(refused->error().find("no LUN 9"), std::string::npos);

    EXPECT_TRUE(answer_request("garbage", luns).last);
    const auto complaint = parse_answer(control_complaint("too \"slow\""));
    ASSERT_TRUE(complaint);
    EXPECT_EQ(complaint->error(), "too \"slow\"");
    EXPECT_EQ(check_greeting(control_complaint("not you")).error(), "not you");
}

TEST(ControlProtocol, ADiskThatStillHoldsCommandsIsMarked) {
    const std::string disk =
        R"("lun":1,"device":"/a","read_only":false,"passed_through":false,"model":"none",)"
        R"("size":512,"block_size":512,"zone_size":0,"zone_count":0)";
    const auto removing = [](const std::string& object) {
        const auto answer = parse_answer(R"({"version":1,"ok":true,"luns":[{)" + object + "}]}");
        return answer.value().value().luns.at(0).removing;
    };
    EXPECT_TRUE(removing(R"("removing":true,)" + disk));
    EXPECT_FALSE(removing(R"("removing":false,)" + disk));
    EXPECT_FALSE(removing(disk)) << "as earlier servers answer";
    ControlLun lun;
    lun.removing = true;
    EXPECT_NE(to_json({lun}).find(R"("removing": true)"), std::string::npos);
}

TEST(ControlProtocol, AnswersAndGreetingsOfOtherServersAreRefused) {
    for (const auto* line : {"", "{}", "[]", "{\"ok\":1}", "{\"ok\":true}", "{\"ok\":false}",
                             "{\"ok\":true,\"luns\":[1]}", "{\"ok\":true,\"luns\":[{}]}",
                             "{\"ok\":true,\"luns\":[{\"lun\":\"1\"}]}"})
        EXPECT_FALSE(parse_answer(line)) << line;
    for (const auto* line : {"", "{}", "220 smtp", "{\"server\":\"other\",\"version\":1}"})
        EXPECT_FALSE(check_greeting(line)) << line;
    const auto newer = check_greeting(R"({"server":"zonebridge","version":2})");
    ASSERT_FALSE(newer);
    EXPECT_NE(newer.error().find("version 2"), std::string::npos);
}

}  // namespace
}  // namespace zonebridge::service
